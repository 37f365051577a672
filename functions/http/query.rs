//! The query parameters of `GET /events`: their names, ranges and defaults.

use lambda_http::aws_lambda_events::query_map::QueryMap;

use super::Problem;
use crate::event::{EventId, FieldProblem, Timestamp, TimestampError, check_user_id};

/// The page that is shown when none is asked for.
pub const DEFAULT_PAGE: u64 = 1;
/// How many events a page has when the request does not say.
pub const DEFAULT_PER_PAGE: u64 = 10;
/// How many events a page may have.
pub const MAX_PER_PAGE: u64 = 1000;
/// The greatest number that every JSON reader keeps exact (RFC 8259 §6). No page is so far out; one that is asked
/// for further out is as empty as this one.
pub(super) const MAX_PAGE: u64 = (1 << 53) - 1;

/// The longest `from` and `to`, in bytes: each of a list's links repeats them, and a header is not to become longer than
/// API Gateway takes one. Nine digits of a second and an offset are 35.
const MAX_INSTANT_BYTES: usize = 64;
/// So many parameters that are unknown are named; who sends more has seen enough.
const MAX_UNKNOWN: usize = 10;

/// U+FFFD as it stands in a query string that really has it.
const REPLACEMENT_ENCODED: &str = "%EF%BF%BD";

/// A list request that is within the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this user's events.
    pub user_id: Option<String>,
    /// From this instant on, as it was written and as it was understood.
    pub from: Option<(String, Timestamp)>,
    /// Up to this instant, which is not included.
    pub to: Option<(String, Timestamp)>,
    /// 1 to 2⁵³ - 1.
    pub page: u64,
    /// 1 to [`MAX_PER_PAGE`].
    pub per_page: u64,
    /// Continue right after this event.
    pub cursor: Option<EventId>,
    /// Count the events. Without, a list costs its page alone.
    pub total: bool,
}

/// The parameters' names.
pub(super) mod name {
    pub const USER_ID: &str = "user_id";
    pub const FROM: &str = "from";
    pub const TO: &str = "to";
    pub const PAGE: &str = "page";
    pub const PER_PAGE: &str = "per_page";
    pub const CURSOR: &str = "cursor";
    pub const TOTAL: &str = "total";
    pub const ALL: [&str; 7] = [USER_ID, FROM, TO, PAGE, PER_PAGE, CURSOR, TOTAL];
}

impl ListQuery {
    /// Reads the parameters of a request; `raw` is its query string as it was sent.
    ///
    /// # Errors
    ///
    /// A 400 [`Problem`] that names every parameter that is repeated or out of range, and up to ten that are unknown.
    pub fn parse(parameters: &QueryMap, raw: Option<&str>) -> Result<ListQuery, Problem> {
        let replaced = !raw.is_some_and(|raw| raw.to_ascii_uppercase().contains(REPLACEMENT_ENCODED));
        let mut reader = Reader { parameters, replaced, problems: Vec::new() };
        reader.refuse_unknown();
        let query = ListQuery {
            user_id: reader.read(name::USER_ID, |text| check_user_id(text).map(|()| text.to_owned())),
            from: reader.read(name::FROM, timestamp),
            to: reader.read(name::TO, timestamp),
            page: reader.read(name::PAGE, page_number).unwrap_or(DEFAULT_PAGE),
            per_page: reader.read(name::PER_PAGE, |text| whole_number(text, MAX_PER_PAGE)).unwrap_or(DEFAULT_PER_PAGE),
            cursor: reader.read(name::CURSOR, |text| {
                EventId::parse(text).ok_or_else(|| "must be the id of an event, such as a next_cursor".to_owned())
            }),
            total: reader.read(name::TOTAL, boolean).unwrap_or(true),
        };
        if reader.problems.is_empty() { Ok(query) } else { Err(Problem::bad_parameters(reader.problems)) }
    }
}

struct Reader<'a> {
    parameters: &'a QueryMap,
    /// A replacement character among the values stands for what could not be decoded.
    replaced: bool,
    problems: Vec<FieldProblem>,
}

impl Reader<'_> {
    fn refuse_unknown(&mut self) {
        let mut unknown: Vec<&str> =
            self.parameters.iter().map(|(name, _)| name).filter(|name| !name::ALL.contains(name)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        for field in unknown.into_iter().take(MAX_UNKNOWN) {
            self.problem(field, format!("is not a parameter; there are {}", name::ALL.join(", ")));
        }
    }

    fn read<T>(&mut self, field: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let values = self.parameters.all(field)?;
        let value = match values.as_slice() {
            [text] if self.replaced && text.contains(char::REPLACEMENT_CHARACTER) => {
                Err("must be UTF-8, percent-encoded".to_owned())
            }
            [text] => read(text),
            _ => Err("must be given once".to_owned()),
        };
        value.map_err(|problem| self.problem(field, problem)).ok()
    }

    fn problem(&mut self, field: &str, problem: String) {
        self.problems.push(FieldProblem { field: field.to_owned(), problem });
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

fn page_number(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(page) if digits && page > 0 => Ok(MAX_PAGE.min(page)),
        // More digits than the type has: a page past the end, which is no error.
        Err(_) if digits => Ok(MAX_PAGE),
        _ => Err("must be a whole number from 1 on".to_owned()),
    }
}

fn whole_number(text: &str, max: u64) -> Result<u64, String> {
    // `parse` alone would take a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {max}"))
}

fn timestamp(text: &str) -> Result<(String, Timestamp), String> {
    if text.len() > MAX_INSTANT_BYTES {
        return Err(format!("must be at most {MAX_INSTANT_BYTES} bytes long"));
    }
    match Timestamp::parse(text) {
        Ok(at) => Ok((text.to_owned(), at)),
        // A good bound all the same: there are no events so early.
        Err(TimestampError::BeforeEpoch) => Ok((text.to_owned(), Timestamp::EPOCH)),
        // The space that a plus sign in a query string means (WHATWG URL §5.1).
        Err(_) if text.contains(' ') => Err("must be an RFC 3339 date and time; write its plus sign as %2B".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
