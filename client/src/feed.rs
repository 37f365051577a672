//! The events in the order in which they were sealed.

use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Log, MAX_PER_PAGE, RecordedEvent};

/// The pause before the next look at a feed that does not say how long to wait.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);

/// An entry of the transparency log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place in the log, from 0 on.
    pub index: u64,
    /// The id of its event.
    pub id: String,
    /// The event, or why there is none. A problem means that someone tampered with the log.
    pub event: Result<RecordedEvent, FeedProblem>,
    /// The text of the entry as it was returned.
    pub text: String,
}

/// Why an entry has no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedProblem {
    /// The log has no event with this id.
    #[error("the event is missing")]
    Missing,
    /// The event is not the one that was sealed.
    #[error("the event was changed")]
    Changed,
    /// A problem that this version of the client does not know.
    #[error("{0}")]
    Other(String),
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// The entries.
    pub entries: Vec<FeedEntry>,
    /// How many entries have been read: where the next page begins.
    pub next: u64,
    /// How many entries are sealed.
    pub sealed: u64,
    /// How long to wait before the next request. `None` if there is more already.
    pub wait: Option<Duration>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    next: u64,
    sealed: u64,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    index: u64,
    id: String,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    problem: Option<String>,
}

impl Log {
    /// The entries from `after` on that are sealed now, in their order. Keep the index of the last
    /// entry that you have dealt with: the next feed begins one behind it.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// # log.report(audit_log_client::Event::new("billing", "order_paid")).await?;
    /// # app.service().sealed().await;
    /// use futures_util::TryStreamExt;
    ///
    /// let mut after = 0;
    /// let mut feed = log.feed(after);
    /// while let Some(entry) = feed.try_next().await? {
    ///     match &entry.event {
    ///         Ok(event) => println!("{}", event.line()),
    ///         Err(problem) => eprintln!("{}: {problem}", entry.id),
    ///     }
    ///     after = entry.index + 1;
    /// }
    /// # assert_eq!(after, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn feed(&self, after: u64) -> BoxStream<'static, Result<FeedEntry, Error>> {
        self.entries(after, false)
    }

    /// The same, without an end: it waits for entries to be sealed.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use futures_util::TryStreamExt;
    ///
    /// let mut feed = log.follow(0);
    /// # log.report(audit_log_client::Event::new("billing", "order_paid")).await?;
    /// # app.service().sealed().await;
    /// let entry = feed.try_next().await?;
    /// # assert!(entry.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, after: u64) -> BoxStream<'static, Result<FeedEntry, Error>> {
        self.entries(after, true)
    }

    fn entries(
        &self,
        after: u64,
        is_followed: bool,
    ) -> BoxStream<'static, Result<FeedEntry, Error>> {
        let log = self.clone();
        let pages = try_unfold(Some(after), move |after| {
            let log = log.clone();
            async move {
                let Some(after) = after else {
                    return Ok::<_, Error>(None);
                };
                let page = log.feed_page(after, MAX_PER_PAGE).await?;
                let next = match page.wait {
                    Some(_) if !is_followed => None,
                    Some(wait) => {
                        // There is nothing to return, so nothing is late.
                        if page.entries.is_empty() {
                            tokio::time::sleep(wait).await;
                        }
                        Some(page.next)
                    }
                    None => Some(page.next),
                };
                Ok(Some((page, next)))
            }
        });
        pages
            .map_ok(|page| iter(page.entries).map(Ok::<_, Error>))
            .try_flatten()
            .boxed()
    }

    /// One page of the feed, of at most `per_page` entries.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn feed_page(&self, after: u64, per_page: u16) -> Result<FeedPage, Error> {
        let url = self.join(&format!("events/feed?after={after}&per_page={per_page}"))?;
        let response = self.get_url(&url, None).await?;
        let asked = response.retry_after();
        let text = response.into_text(&url)?;
        let not_a_log = |problem: &str| Error::not_a_log(url.as_str(), problem);
        let page: RawPage<'_> =
            serde_json::from_str(&text).map_err(|error| not_a_log(&error.to_string()))?;
        let mut entries = Vec::with_capacity(page.events.len());
        for (index, raw) in (after..).zip(page.events) {
            let entry = entry_of(raw.get()).map_err(|problem| not_a_log(&problem))?;
            if entry.index != index {
                return Err(not_a_log("its entries are not in their order"));
            }
            entries.push(entry);
        }
        if page.next != after + entries.len() as u64 || page.sealed < page.next {
            return Err(not_a_log("its next does not follow its entries"));
        }
        let is_more = page.next < page.sealed;
        if is_more && entries.is_empty() {
            return Err(not_a_log("it lacks the entries that it says are sealed"));
        }
        let wait = match is_more {
            true => None,
            false => Some(asked.unwrap_or(DEFAULT_PAUSE)),
        };
        Ok(FeedPage {
            entries,
            next: page.next,
            sealed: page.sealed,
            wait,
        })
    }
}

fn entry_of(text: &str) -> Result<FeedEntry, String> {
    let entry: RawEntry<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let event = match (entry.event, entry.problem) {
        (Some(event), _) => Ok(RecordedEvent::parse(event.get().to_owned())?),
        (None, Some(problem)) => Err(match problem.as_str() {
            "missing" => FeedProblem::Missing,
            "changed" => FeedProblem::Changed,
            _ => FeedProblem::Other(problem),
        }),
        (None, None) => return Err("an entry has neither an event nor a problem".to_owned()),
    };
    Ok(FeedEntry {
        index: entry.index,
        id: entry.id,
        event,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_its_event_says_why() {
        let entry = entry_of(r#"{"index":3,"id":"a","event":null,"problem":"changed"}"#).unwrap();
        assert_eq!(entry.event, Err(FeedProblem::Changed));
        assert!(entry_of(r#"{"index":3,"id":"a","event":null}"#).is_err());
    }
}
