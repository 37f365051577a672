//! Writes all events that match, page by page.

use std::io::{ErrorKind, Write};
use std::path::Path;

use audit_log_client::{Filter, Format, Log, MAX_PER_PAGE, Order, Retry, TextPage, Total};
use indicatif::ProgressBar;

use super::part::Part;
use super::records::Records;
use super::{Arguments, Failure};
use crate::say;

/// The form of the progress bar.
const PROGRESS: &str = "{wide_bar} {human_pos} of {msg}{human_len} events, {per_sec}, {eta} left";
/// The name of standard output.
const STANDARD_OUTPUT: &str = "-";

/// How an export ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All pages are written.
    Complete,
    /// Ctrl-C.
    Interrupted,
    /// Nothing reads standard output any more, as after `| head`.
    Closed,
}

/// What is exported.
struct Export {
    log: Log,
    filter: Filter,
    format: Format,
    bar: ProgressBar,
    records: Records,
}

/// Writes all events that match.
pub async fn export(arguments: &Arguments) -> Result<(), Failure> {
    let log = arguments.log.client().await?;
    let filter = arguments.filters.filter(Order::Ascending);
    let format = Format::from(arguments.format);
    // A mistake in the filters, or in the URL, is found before a file is created.
    let hasty = log.clone().with_read_retry(Retry::NEVER);
    let total = hasty.page(&filter, 1, 1).await?.total;
    let export = Export {
        log,
        filter,
        format,
        bar: bar_of(total),
        records: Records::new(format),
    };
    match arguments.output.as_deref() {
        Some(file) if file.as_os_str() != STANDARD_OUTPUT => export.write_file(file).await,
        _ => export.write_standard_output().await,
    }
}

impl Export {
    async fn write_file(mut self, file: &Path) -> Result<(), Failure> {
        let identity = format!("{} {:?} {}", self.log.url(), self.format, self.filter);
        let mut part = Part::open(file, &identity, &mut self.records)?;
        if let Some(last) = &self.records.last {
            eprintln!(
                "audit-log: {} has {} events; continues with the next one.",
                part.name(),
                self.records.events
            );
            self.filter = self.filter.after(last);
        }
        let end = self.pages(&mut part).await;
        let events = self.records.events;
        let kept = format!(
            "{} has {events} events; repeat the command to continue",
            part.name()
        );
        match end {
            Ok(End::Complete) => part.finish()?,
            Ok(End::Interrupted | End::Closed) => return Err(format!("interrupted; {kept}").into()),
            Err(error) => return Err(format!("{error}; {kept}").into()),
        }
        self.bar.finish_and_clear();
        say(&format!("Wrote {events} events to {}.", file.display()));
        Ok(())
    }

    async fn write_standard_output(mut self) -> Result<(), Failure> {
        let end = self.pages(&mut std::io::stdout()).await?;
        self.bar.finish_and_clear();
        match end {
            End::Complete | End::Closed => Ok(()),
            End::Interrupted => Err("interrupted; the last event that was written is whole".into()),
        }
    }

    /// Writes one page after the other. It can be interrupted between two pages.
    async fn pages(&mut self, sink: &mut impl Write) -> Result<End, Failure> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let page = tokio::select! {
                page = self.log.text_page(&self.filter, self.format, MAX_PER_PAGE) => page?,
                _ = &mut interrupt => return Ok(End::Interrupted),
            };
            let TextPage { text, next } = page;
            let text = self.without_second_header(&text);
            match sink.write_all(text.as_bytes()).and_then(|()| sink.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(End::Closed),
                Err(error) => return Err(format!("cannot write the events: {error}").into()),
            }
            self.records.read(text.as_bytes())?;
            self.bar.set_position(self.records.events);
            let Some(next) = next else {
                return Ok(End::Complete);
            };
            self.filter = std::mem::take(&mut self.filter).after(next);
        }
    }

    /// Each page in CSV has the header, which has no line breaks.
    fn without_second_header<'a>(&self, text: &'a str) -> &'a str {
        if self.format != Format::Csv || self.records.end == 0 {
            return text;
        }
        text.split_once('\n').map_or("", |(_, rows)| rows)
    }
}

fn bar_of(total: Option<Total>) -> ProgressBar {
    let bar = crate::progress_bar(total.map_or(0, |total| total.events), PROGRESS);
    if total.is_some_and(|total| !total.is_exact) {
        bar.set_message("at least ");
    }
    bar
}
