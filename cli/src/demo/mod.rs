//! `audit-log demo`: fills a log with a month of a small company.

mod company;
mod event;
mod month;
mod story;
mod work;

use std::process::ExitCode;

use audit_log::effects::Effects;
use audit_log_client::{Document, Log};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::month::{Highlights, Month, home_zone};
use crate::reading::ServiceArguments;
use crate::report::batches::{Entry, batches};
use crate::report::send::probe;
use crate::report::send_all;
use crate::report::tally::Tally;
use crate::say;

/// Fills a log with a month of a small company, and says what can be found in it.
///
/// People in three time zones work, programs run at night, one import fails, and one evening is
/// suspicious. The events can never be removed, so use a log that you can throw away.
///
/// Exit code: 0 if every event was recorded, 1 if some were refused, 2 if no log responds.
#[derive(clap::Args)]
pub struct Arguments {
    /// The number of events.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    events: u64,
    /// The number of people. Some of them do much more than others.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// The same number gives the same month, if it has the same end.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When the month ends, such as 2026-11-30T12:00:00Z. The default is now.
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,
    /// The number of requests that run at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    #[command(flatten)]
    service: ServiceArguments,
}

/// The form of the progress bar.
const PROGRESS: &str = "{wide_bar} {human_pos} of {human_len} events, {eta} left";

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match demo(arguments).await {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("audit-log: {problem}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

async fn demo(arguments: Arguments) -> Result<ExitCode, String> {
    let log = arguments.service.client().await;
    let log = log.map_err(|error| error.to_string())?;
    let reached = probe(&log).await;
    reached.map_err(|error| {
        format!("{error}; start a log with \"cargo run\", or name one with --log")
    })?;

    let end = arguments.end.unwrap_or_else(now);
    let month = Month::new(arguments.events, arguments.users, arguments.seed, end);
    let (people, highlights) = (month.people(), month.highlights);
    let bar = crate::progress_bar(arguments.events, PROGRESS);
    let progress = bar.clone();
    let mut number = 0;
    let next = move || {
        let document = month.document(number).map(Document::new);
        number += 1;
        progress.inc(1);
        Ok(document.map(|document| Entry {
            line: number as u64,
            document: Ok(document),
        }))
    };
    let mut tally = Tally::new(bar, false);
    let sent = send_all(
        &log,
        batches(usize::MAX, next),
        arguments.connections,
        &mut tally,
    )
    .await;
    tally.finish();
    sent.map_err(|stopped| stopped.to_string())?;
    describe(people, end);
    if let Some(highlights) = highlights {
        hint(&log, highlights);
    }
    Ok(tally.exit_code())
}

fn now() -> Timestamp {
    let millis = Effects::system().now().millis();
    // A clock after the year 9999 is wrong in any case.
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn describe(people: usize, end: Timestamp) {
    let start = end - SignedDuration::from_hours(24 * month::DAYS);
    let people = match people {
        1 => "one person".to_owned(),
        _ => format!("{people} people"),
    };
    say(&format!(
        "They are a month of {}, from {} to {}: {people} in {}, and the programs of the night.",
        company::NAME,
        start.strftime("%-d %B"),
        end.strftime("%-d %B %Y"),
        company::cities(),
    ));
}

/// Says where to look, but not what is there.
fn hint(log: &Log, Highlights { burst, evening }: Highlights) {
    let in_utc = |at: Timestamp| {
        at.to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    let night = burst.0.strftime("%A, %-d %B");
    let day = evening.0.to_zoned(home_zone());
    // The service on this machine shows the page. A deployed log has lists only.
    let page = match log.url().scheme() {
        "http" => log.url().to_string(),
        _ => format!("{}events", log.url()),
    };
    say(&format!(
        "
What to look for:

- The weekends are quiet.
- In the night to {night}, the import of the stock failed, and repeated itself:
  {page}?src_service=stock-import&from={burst_from}&to={burst_to}
- One evening is suspicious. Someone used an account that is not theirs. Begin with the failed
  logins. Then find out which account it was, what it did next, and which other account it used:
  {page}?event_type=login_failed&from={day_from}",
        burst_from = in_utc(burst.0),
        burst_to = in_utc(burst.1),
        day_from = in_utc(day.timestamp() - SignedDuration::from_hours(24 * 4)),
    ));
}
