//! The query parameters of `GET /events`: their names, ranges and defaults.

use std::num::NonZeroU64;

use lambda_http::aws_lambda_events::query_map::QueryMap;

use super::Problem;
use crate::event::{
    EventId, Field, FieldProblem, FieldValue, IdRange, Order, Timestamp, TimestampError,
};

/// The longest `from` and `to`, in bytes. Each link of a list repeats them, and a header must not
/// become longer than API Gateway accepts. Nine digits of a second and an offset are 35 bytes.
const MAX_INSTANT_BYTES: usize = 64;
/// How many unknown parameters an error names, at most.
const MAX_UNKNOWN: usize = 10;
/// U+FFFD as it stands in a query string that really has it.
const REPLACEMENT_ENCODED: &str = "%EF%BF%BD";

/// The number of a page: 1 to 2⁵³ - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageNumber(NonZeroU64);

impl PageNumber {
    /// The first page, which is also the default.
    pub const FIRST: PageNumber = PageNumber(NonZeroU64::MIN);
    /// The greatest number that every JSON reader keeps exact (RFC 8259 §6). No page lies so far
    /// out. A request for one further out gets this one, which is empty too.
    pub const MAX: u64 = (1 << 53) - 1;

    /// The page with this number; [`PageNumber::MAX`] for a greater one, and the first for 0.
    pub fn saturating(number: u64) -> PageNumber {
        NonZeroU64::new(number.min(PageNumber::MAX)).map_or(PageNumber::FIRST, PageNumber)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The page before this one, if there is one.
    pub fn previous(self) -> Option<PageNumber> {
        NonZeroU64::new(self.get() - 1).map(PageNumber)
    }

    /// The page after this one.
    pub fn next(self) -> PageNumber {
        PageNumber::saturating(self.get() + 1)
    }
}

/// How many events a page has: 1 to [`MAX_PER_PAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerPage(NonZeroU64);

/// How many events a page may have.
pub const MAX_PER_PAGE: u64 = 1000;
/// How many events a page has if the request does not say.
const DEFAULT_PER_PAGE: PerPage = PerPage(NonZeroU64::MIN.saturating_add(9));

impl PerPage {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// An instant, as it was written and as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instant {
    pub text: String,
    pub at: Timestamp,
    /// The same instant in nanoseconds since 1970, negative before.
    unix_nanos: i128,
}

/// A list request that is within the contract.
///
/// ```
/// use audit_log::http::ListQuery;
///
/// let query = ListQuery::parse(&"user_id=1&page=2".parse().unwrap(), None).unwrap();
/// assert_eq!(query.page().get(), 2);
/// assert_eq!(query.per_page().get(), 10);
/// assert!(ListQuery::parse(&"page=0".parse().unwrap(), None).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    filters: Vec<FieldValue>,
    from: Option<Instant>,
    to: Option<Instant>,
    order: Order,
    page: PageNumber,
    per_page: PerPage,
    cursor: Option<EventId>,
    total: bool,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first event in the order of the list.
    First,
    /// Right after this event.
    After(EventId),
    /// Right after the event at this rank, 0 being the first.
    AfterRank(u64),
}

/// The names of the parameters.
pub(super) mod name {
    use crate::event::Field;

    pub const FROM: &str = "from";
    pub const TO: &str = "to";
    pub const PAGE: &str = "page";
    pub const PER_PAGE: &str = "per_page";
    pub const CURSOR: &str = "cursor";
    pub const TOTAL: &str = "total";
    pub const ORDER: &str = "order";
    pub const ALL: [&str; 10] = [
        Field::UserId.name(),
        Field::EventType.name(),
        Field::SrcService.name(),
        FROM,
        TO,
        ORDER,
        PAGE,
        PER_PAGE,
        CURSOR,
        TOTAL,
    ];
}

impl ListQuery {
    /// Reads the parameters of a request. `raw` is its query string as it was sent.
    ///
    /// # Errors
    ///
    /// A 400 [`Problem`] that names every parameter that is repeated or out of range, and up to ten
    /// that are unknown.
    pub fn parse(parameters: &QueryMap, raw: Option<&str>) -> Result<ListQuery, Problem> {
        let mut reader = Reader::new(parameters, raw, &name::ALL);
        let query = ListQuery {
            filters: reader.filters(),
            from: reader.read(name::FROM, instant),
            to: reader.read(name::TO, instant),
            order: reader.read(name::ORDER, order).unwrap_or_default(),
            page: reader
                .read(name::PAGE, page_number)
                .unwrap_or(PageNumber::FIRST),
            per_page: reader
                .read(name::PER_PAGE, per_page)
                .unwrap_or(DEFAULT_PER_PAGE),
            cursor: reader.read(name::CURSOR, cursor),
            total: reader.read(name::TOTAL, boolean).unwrap_or(true),
        };
        if let Some(problem) = reversed(query.from(), query.to()) {
            reader.problem(name::FROM, problem);
        }
        reader.finish()?;
        Ok(query)
    }

    /// The range of time that the list is about, as a range of ids.
    pub fn range(&self) -> IdRange {
        let mut range = IdRange::ALL;
        if let Some(from) = &self.from {
            range = range.starting_at(from.at);
        }
        if let Some(to) = &self.to {
            range = range.ending_before(to.at);
        }
        range
    }

    /// Where the page starts. A cursor takes precedence over a page number.
    pub fn start(&self) -> Start {
        if let Some(cursor) = self.cursor {
            return Start::After(cursor);
        }
        match self.skipped() {
            0 => Start::First,
            skipped => Start::AfterRank(skipped - 1),
        }
    }

    /// How many events lie before the page by its number.
    pub fn skipped(&self) -> u64 {
        (self.page.get() - 1).saturating_mul(self.per_page.get())
    }

    /// The values that the events of the list have, in the order of [`Field::ALL`].
    pub fn filters(&self) -> &[FieldValue] {
        &self.filters
    }

    /// In which order events are listed.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The number of the page.
    pub fn page(&self) -> PageNumber {
        self.page
    }

    /// How many events the page has at most.
    pub fn per_page(&self) -> PerPage {
        self.per_page
    }

    /// The event after which the page starts, if the request gives one.
    pub fn cursor(&self) -> Option<EventId> {
        self.cursor
    }

    /// Whether to count the events. A list without a total costs its page only.
    pub fn total(&self) -> bool {
        self.total
    }

    /// From this instant on.
    pub(super) fn from(&self) -> Option<&Instant> {
        self.from.as_ref()
    }

    /// Up to this instant, which is not included.
    pub(super) fn to(&self) -> Option<&Instant> {
        self.to.as_ref()
    }
}

/// Whether a query string really contains U+FFFD.
fn has_encoded_replacement(raw: Option<&str>) -> bool {
    match raw {
        Some(raw) => raw.to_ascii_uppercase().contains(REPLACEMENT_ENCODED),
        None => false,
    }
}

/// Reads parameters, and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    parameters: &'a QueryMap,
    /// Whether a U+FFFD among the values stands for bytes that could not be decoded.
    has_replacements: bool,
    problems: Vec<FieldProblem>,
}

impl<'a> Reader<'a> {
    /// Reads a query string with parameters of these names. `raw` is the text that was sent.
    pub fn new(parameters: &'a QueryMap, raw: Option<&str>, known: &[&str]) -> Reader<'a> {
        let mut reader = Reader {
            parameters,
            has_replacements: !has_encoded_replacement(raw),
            problems: Vec::new(),
        };
        reader.reject_unknown(known);
        reader
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// A 400 [`Problem`] with everything that was wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Problem::bad_parameters(self.problems))
    }

    fn reject_unknown(&mut self, known: &[&str]) {
        let names = self.parameters.iter().map(|(name, _)| name);
        let mut unknown: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
        let known = match known {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        unknown.sort_unstable();
        unknown.dedup();
        for field in unknown.into_iter().take(MAX_UNKNOWN) {
            self.problem(field, format!("is not a parameter; there are {known}"));
        }
    }

    /// The values of the parameters that are fields.
    pub fn filters(&mut self) -> Vec<FieldValue> {
        let mut filters = Vec::new();
        for field in Field::ALL {
            let value = self.read(field.name(), |text| {
                FieldValue::new(field, text).map_err(|error| error.to_string())
            });
            filters.extend(value);
        }
        filters
    }

    /// The value of a parameter, if it is there and can be read.
    pub fn read<T>(&mut self, field: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let values = self.parameters.all(field)?;
        let value = match values.as_slice() {
            [text] if self.has_replacements && text.contains(char::REPLACEMENT_CHARACTER) => {
                Err("must be UTF-8, percent-encoded".to_owned())
            }
            [text] => read(text),
            _ => Err("must be given once".to_owned()),
        };
        match value {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(field, problem);
                None
            }
        }
    }

    /// Notes what is wrong with a parameter.
    pub fn problem(&mut self, field: &str, problem: String) {
        self.problems.push(FieldProblem {
            field: field.to_owned(),
            problem,
        });
    }
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "desc" => Ok(Order::Descending),
        "asc" => Ok(Order::Ascending),
        _ => Err("must be desc (newest first) or asc (oldest first)".to_owned()),
    }
}

fn cursor(text: &str) -> Result<EventId, String> {
    EventId::parse(text)
        .ok_or_else(|| "must be the id of an event, such as a next_cursor".to_owned())
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

fn page_number(text: &str) -> Result<PageNumber, String> {
    let invalid = || "must be a whole number from 1 on".to_owned();
    // `parse` alone would accept a plus sign.
    if text.is_empty() || !is_digits(text) {
        return Err(invalid());
    }
    match text.parse() {
        Ok(0) => Err(invalid()),
        Ok(number) => Ok(PageNumber::saturating(number)),
        // More digits than the type has: a page past the end, which is no error.
        Err(_) => Ok(PageNumber::saturating(PageNumber::MAX)),
    }
}

pub(super) fn per_page(text: &str) -> Result<PerPage, String> {
    match text.parse::<NonZeroU64>() {
        Ok(number) if is_digits(text) && number.get() <= MAX_PER_PAGE => Ok(PerPage(number)),
        _ => Err(format!("must be a whole number from 1 to {MAX_PER_PAGE}")),
    }
}

pub(super) fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn instant(text: &str) -> Result<Instant, String> {
    if text.len() > MAX_INSTANT_BYTES {
        return Err(format!("must be at most {MAX_INSTANT_BYTES} bytes long"));
    }
    let unix_nanos = Timestamp::unix_nanos(text).map_err(|error| {
        if has_lost_plus(text) {
            return "has a space before its offset; write the plus sign as %2B".to_owned();
        }
        error.to_string()
    })?;
    let at = match u128::try_from(unix_nanos) {
        Ok(nanos) => Timestamp::from_nanos(nanos),
        // It is a valid bound: no event is so old.
        Err(_) => Timestamp::EPOCH,
    };
    Ok(Instant {
        text: text.to_owned(),
        at,
        unix_nanos,
    })
}

/// Whether a time lacks only the plus sign of its offset. In a query string, a plus sign means a
/// space (WHATWG URL §5.1).
fn has_lost_plus(text: &str) -> bool {
    let Some((time, offset)) = text.rsplit_once(' ') else {
        return false;
    };
    let repaired = Timestamp::unix_nanos(&format!("{time}+{offset}"));
    matches!(repaired, Ok(_) | Err(TimestampError::OffsetForm))
}

/// The problem of a `from` that is after `to`. An empty list would state that nothing happened.
fn reversed(from: Option<&Instant>, to: Option<&Instant>) -> Option<String> {
    let from = from?;
    let to = to?;
    if from.unix_nanos <= to.unix_nanos {
        return None;
    }
    let from = &from.text;
    let to = &to.text;
    Some(format!(
        "is after \"to\", so no event can lie between them: {from} is later than {to}. Exchange the \
         two"
    ))
}
