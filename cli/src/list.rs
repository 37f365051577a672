//! `audit-log list`: shows one page of a list.

use std::process::ExitCode;

use audit_log_client::{Log, Order, Page, Retry};
use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::filters::FilterArguments;
use crate::reading::{ServiceArguments, hint};
use crate::{EXIT_USAGE, print_bytes, row, say};

/// Shows one page of the events that match, newest first.
///
/// Exit code: 0, or 2 if the log cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    #[command(flatten)]
    filters: FilterArguments,
    /// The number of the page, from 1 on.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// The number of events on a page, at most 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    per_page: u16,
    /// Begin right behind the event with this id.
    #[arg(long, value_name = "ID", conflicts_with = "page")]
    after: Option<String>,
    /// The format. The other formats than table are as the service sends them.
    #[arg(long, value_enum, default_value = "table")]
    format: ListFormat,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The format of a page.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ListFormat {
    /// Columns for a person.
    Table,
    /// The page with its totals.
    Json,
    /// One event a line.
    Ndjson,
    /// A table for a spreadsheet (RFC 4180).
    Csv,
}

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match list(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: {error}{}.", hint(error.as_ref()));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

async fn list(arguments: Arguments) -> Result<(), Failure> {
    // A person waits for it, and can repeat it.
    let log = arguments.log.client().await?.with_read_retry(Retry::NEVER);
    let media_type = match arguments.format {
        _ if arguments.json => "application/json",
        ListFormat::Table => return table(&log, &arguments).await,
        ListFormat::Json => "application/json",
        ListFormat::Ndjson => "application/x-ndjson",
        ListFormat::Csv => "text/csv",
    };
    let mut url = log.list_url(&arguments.filter(), arguments.per_page)?;
    url.query_pairs_mut()
        .append_pair("page", &arguments.page.to_string());
    let request = log.http().request(Method::GET, url.clone());
    let request = request.header(ACCEPT, media_type).build()?;
    let response = log.http().send(request, Retry::NEVER).await?;
    let text = response.into_text(&url)?;
    print_bytes(text.as_bytes());
    if !text.is_empty() && !text.ends_with('\n') {
        say("");
    }
    Ok(())
}

impl Arguments {
    fn filter(&self) -> audit_log_client::Filter {
        let filter = self.filters.filter(Order::Descending);
        match &self.after {
            Some(after) => filter.after(after),
            None => filter,
        }
    }
}

async fn table(log: &Log, arguments: &Arguments) -> Result<(), Failure> {
    let page = log
        .page(&arguments.filter(), arguments.page, arguments.per_page)
        .await?;
    if !page.events.is_empty() {
        say(&row::header());
    }
    for event in &page.events {
        say(&row::row(event));
    }
    say(&summary(&page));
    Ok(())
}

/// How many events there are, and how to see the next ones.
fn summary(page: &Page) -> String {
    let shown = page.events.len();
    let (total, is_exact) = page
        .total
        .map_or((0, true), |total| (total.events, total.is_exact));
    let at_least = if is_exact { "" } else { "at least " };
    let summary = format!("\n{shown} of {at_least}{total} events.");
    match &page.next {
        Some(next) => format!("{summary} Continue with --after {next}"),
        None => summary,
    }
}
