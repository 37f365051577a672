//! The query parameters of `GET /events/histogram`.

use lambda_http::aws_lambda_events::query_map::QueryMap;

use super::Problem;
use super::query::{Reader, instant, is_digits, name};
use crate::event::{Buckets, Field, FieldValue};

/// How many buckets a histogram may have.
pub const MAX_BUCKETS: u8 = 100;
/// How many buckets a histogram has if the request does not say.
const DEFAULT_BUCKETS: u8 = 60;
const BUCKETS: &str = "buckets";
const NAMES: [&str; 6] = [
    Field::UserId.name(),
    Field::EventType.name(),
    Field::SrcService.name(),
    name::FROM,
    name::TO,
    BUCKETS,
];

/// A request for a histogram that is within the contract.
///
/// ```
/// use audit_log::http::HistogramQuery;
///
/// let query = "from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z&buckets=24";
/// let query = HistogramQuery::parse(&query.parse().unwrap(), None).unwrap();
/// assert_eq!(query.buckets.times().count(), 24);
/// assert!(HistogramQuery::parse(&"buckets=24".parse().unwrap(), None).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramQuery {
    /// The value that the events have, if they are filtered.
    pub filter: Option<FieldValue>,
    /// The ranges of time that are counted.
    pub buckets: Buckets,
}

impl HistogramQuery {
    /// Reads the parameters of a request. `raw` is its query string as it was sent.
    ///
    /// # Errors
    ///
    /// A 400 [`Problem`] that names every parameter that is missing, repeated or out of range, and
    /// up to ten that are unknown. A 422 for several filters.
    pub fn parse(parameters: &QueryMap, raw: Option<&str>) -> Result<HistogramQuery, Problem> {
        let mut reader = Reader::new(parameters, raw, &NAMES);
        let mut filters = reader.filters();
        let count = reader.read(BUCKETS, bucket_count);
        let from = reader.read(name::FROM, instant);
        let to = reader.read(name::TO, instant);
        for name in [name::FROM, name::TO] {
            if parameters.all(name).is_none() {
                reader.problem(name, "is required".to_owned());
            }
        }
        let range = from.zip(to).map(|(from, to)| (from.at, to.at));
        if range.is_some_and(|(from, to)| from >= to) {
            reader.problem(name::TO, format!("must be later than \"{}\"", name::FROM));
        }
        reader.finish()?;

        if filters.len() > 1 {
            return Err(Problem::filters_not_combinable());
        }
        // The reader has found a problem if one of them is missing.
        let (from, to) = range.unwrap_or_default();
        Ok(HistogramQuery {
            filter: filters.pop(),
            buckets: Buckets::new(from, to, count.unwrap_or(DEFAULT_BUCKETS)),
        })
    }
}

fn bucket_count(text: &str) -> Result<u8, String> {
    match text.parse::<u8>() {
        Ok(count @ 1..=MAX_BUCKETS) if is_digits(text) => Ok(count),
        _ => Err(format!("must be a whole number from 1 to {MAX_BUCKETS}")),
    }
}

/// Reads the query of a request that takes no parameters.
///
/// # Errors
///
/// A 400 [`Problem`] that names up to ten parameters.
pub fn no_parameters(parameters: &QueryMap, raw: Option<&str>) -> Result<(), Problem> {
    Reader::new(parameters, raw, &[]).finish()
}
