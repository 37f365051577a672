//! Counts what came of the events, and says so while they are sent.

use std::process::ExitCode;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use indicatif::ProgressBar;
use serde_json::json;

use super::send::{Problem, Sent, Settled};
use crate::say;

/// What came of the events so far.
pub struct Tally {
    /// Events that this run recorded.
    pub recorded: u64,
    /// Events that were recorded before.
    pub known: u64,
    /// Events that were refused.
    pub refused: u64,
    started: Timestamp,
    bar: ProgressBar,
    as_json: bool,
}

impl Tally {
    /// Nothing yet. With `as_json`, each event gets a line of JSON on standard output.
    pub fn new(bar: ProgressBar, as_json: bool) -> Tally {
        Tally {
            recorded: 0,
            known: 0,
            refused: 0,
            started: Effects::system().now(),
            bar,
            as_json,
        }
    }

    /// Counts a batch. The problems of refused events go to standard error.
    pub fn add(&mut self, sent: &Sent) {
        for settled in &sent.settled {
            match &settled.result {
                Ok(receipt) if receipt.is_new => self.recorded += 1,
                Ok(_) => self.known += 1,
                Err(problem) => self.refuse(settled.line, problem),
            }
            if self.as_json {
                self.bar.suspend(|| say(&line_of(settled)));
            }
        }
        self.bar
            .set_message(format!("{} events", grouped(self.events())));
    }

    fn refuse(&mut self, line: u64, problem: &Problem) {
        self.refused += 1;
        if !self.as_json {
            self.bar.suspend(|| eprintln!("line {line}: {problem}."));
        }
    }

    /// How many events were sent.
    pub fn events(&self) -> u64 {
        self.recorded + self.known + self.refused
    }

    /// Removes the bar, and says how many events were recorded.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        let took = Effects::system().now().since(self.started);
        let mut text = format!("Recorded {}", events(self.recorded));
        text.push_str(&pace(self.events(), took));
        text.push('.');
        if self.known > 0 {
            let verb = if self.known == 1 { "was" } else { "were" };
            text.push_str(&format!(" {} {verb} recorded before.", events(self.known)));
        }
        // Standard output has one line for each event, and nothing else.
        if self.as_json {
            eprintln!("{text}");
        } else {
            say(&text);
        }
        if self.refused > 0 {
            let refused = events(self.refused);
            eprintln!(
                "audit-log: {refused} refused; correct what each line says, and report again."
            );
        }
    }

    /// 0 if every event is recorded, and 1 if some were refused.
    pub fn exit_code(&self) -> ExitCode {
        match self.refused {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(1),
        }
    }
}

/// A count with its noun.
pub fn events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        _ => format!("{} events", grouped(count)),
    }
}

/// A number with a comma before each group of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Empty for a few events, because their pace says nothing.
fn pace(count: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if count < 100 || seconds == 0.0 {
        return String::new();
    }
    format!(
        " in {seconds:.1} s, {} events a second",
        grouped((count as f64 / seconds) as u64)
    )
}

fn line_of(settled: &Settled) -> String {
    let line = settled.line;
    match &settled.result {
        Ok(receipt) => json!({
            "line": line,
            "result": if receipt.is_new { "recorded" } else { "known" },
            "id": receipt.id,
            "leaf": receipt.leaf,
        }),
        Err(problem) => json!({
            "line": line,
            "result": "refused",
            "problem": problem.to_string(),
        }),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_for_people() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(events(1), "1 event");
        assert_eq!(events(2000), "2,000 events");
    }
}
