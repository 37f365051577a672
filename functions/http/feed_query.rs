//! The query parameters of `GET /events/feed`.

use std::ops::Range;

use lambda_http::aws_lambda_events::query_map::QueryMap;

use super::Problem;
use super::query::{PerPage, Reader, is_digits, name, per_page};

/// The name of the parameter that says how many entries were taken.
pub(super) const AFTER: &str = "after";
const NAMES: [&str; 2] = [AFTER, name::PER_PAGE];
/// How many entries a page has if the request does not say.
const DEFAULT_PER_PAGE: u64 = 100;

/// A request for a page of the feed that is within the contract.
///
/// ```
/// use audit_log::http::FeedQuery;
///
/// let query = FeedQuery::parse(&"after=250&per_page=20".parse().unwrap(), None).unwrap();
/// assert_eq!(query.entries(1000), Some(250..270));
/// assert_eq!(query.entries(260), Some(250..260));
/// assert_eq!(query.entries(249), None);
/// assert!(FeedQuery::parse(&"after=-1".parse().unwrap(), None).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedQuery {
    after: u64,
    per_page: u64,
}

impl FeedQuery {
    /// Reads the parameters of a request. `raw` is its query string as it was sent.
    ///
    /// # Errors
    ///
    /// A 400 [`Problem`] that names every parameter that is repeated or out of range, and up to ten
    /// that are unknown.
    pub fn parse(parameters: &QueryMap, raw: Option<&str>) -> Result<FeedQuery, Problem> {
        let mut reader = Reader::new(parameters, raw, &NAMES);
        let after = reader.read(AFTER, after);
        let per_page = reader.read(name::PER_PAGE, per_page);
        reader.finish()?;
        Ok(FeedQuery {
            after: after.unwrap_or_default(),
            per_page: per_page.map_or(DEFAULT_PER_PAGE, PerPage::get),
        })
    }

    /// The indexes of the page in a log of `sealed` entries. `None` if the page begins behind the
    /// end of the log.
    pub fn entries(&self, sealed: u64) -> Option<Range<u64>> {
        let end = self.after.saturating_add(self.per_page).min(sealed);
        (self.after <= sealed).then_some(self.after..end)
    }
}

fn after(text: &str) -> Result<u64, String> {
    if text.is_empty() || !is_digits(text) {
        return Err("must be a whole number from 0 on".to_owned());
    }
    // More digits than the type has: a place that no log reaches.
    Ok(text.parse().unwrap_or(u64::MAX))
}
