//! Lists of events.

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};
use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Filter, Log, MAX_PER_PAGE, RecordedEvent, Response};

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The events.
    pub events: Vec<RecordedEvent>,
    /// The number of events that match the filter, if they were counted.
    pub total: Option<Total>,
    /// The id with which [`Filter::after`] continues. `None` on the last page.
    pub next: Option<String>,
}

/// The number of events of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number.
    pub events: u64,
    /// Whether it is exact. Otherwise, there are at least as many.
    pub is_exact: bool,
}

/// A format of lists other than JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event a line.
    Ndjson,
    /// A table with a header line.
    Csv,
}

/// A page of a list in another format than JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPage {
    /// The page. A page in CSV begins with the header line.
    pub text: String,
    /// The id with which [`Filter::after`] continues. `None` on the last page.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    total: Option<u64>,
    total_exact: Option<bool>,
    next_cursor: Option<String>,
}

impl Log {
    /// All events that match, page after page. Each is there once, even if others are recorded
    /// meanwhile.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// # log.report(audit_log_client::Event::new("billing", "order_paid").user(7)).await?;
    /// use audit_log_client::{Filter, Order};
    /// use futures_util::TryStreamExt;
    ///
    /// let mut events = log.list(&Filter::new().user_id("7").order(Order::Ascending));
    /// while let Some(event) = events.try_next().await? {
    ///     println!("{}", event.line());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, filter: &Filter) -> BoxStream<'static, Result<RecordedEvent, Error>> {
        let pages = self.pages(filter, MAX_PER_PAGE);
        pages
            .map_ok(|page| iter(page.events).map(Ok::<_, Error>))
            .try_flatten()
            .boxed()
    }

    /// The same as pages, which are not counted. A page can be short, and even empty.
    pub fn pages(&self, filter: &Filter, per_page: u16) -> BoxStream<'static, Result<Page, Error>> {
        let log = self.clone();
        let state = Some(filter.clone());
        let pages = try_unfold(state, move |filter| {
            let log = log.clone();
            async move {
                let Some(filter) = filter else {
                    return Ok::<_, Error>(None);
                };
                let page = log.next_page(&filter, per_page).await?;
                let next = page.next.clone().map(|next| filter.after(next));
                Ok(Some((page, next)))
            }
        });
        pages.boxed()
    }

    /// One page, and the number of all events that match. Pages are numbered from 1 on. With
    /// [`Filter::after`], the page begins there, whatever its number is.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// # log.report(audit_log_client::Event::new("billing", "order_paid").user(7)).await?;
    /// use audit_log_client::Filter;
    ///
    /// let page = log.page(&Filter::new().user_id("7"), 1, 10).await?;
    /// let total = page.total.expect("a page has a total");
    /// let at_least = if total.is_exact { "" } else { "at least " };
    /// println!("{} of {at_least}{} events", page.events.len(), total.events);
    /// # assert_eq!(total.events, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn page(&self, filter: &Filter, number: u64, per_page: u16) -> Result<Page, Error> {
        let mut url = self.list_url(filter, per_page)?;
        url.query_pairs_mut()
            .append_pair("page", &number.to_string());
        let page = page_of(self.get_url(&url, None).await?, &url)?;
        match page.total {
            Some(_) => Ok(page),
            None => Err(Error::not_a_log(url.as_str(), "it has no total")),
        }
    }

    /// The next page in another format, not counted.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// # log.report(audit_log_client::Event::new("billing", "order_paid").user(7)).await?;
    /// use audit_log_client::{Filter, Format};
    ///
    /// let page = log.text_page(&Filter::new(), Format::Csv, 1000).await?;
    /// assert!(page.text.starts_with("id,timestamp,user_id,"));
    /// if let Some(next) = page.next {
    ///     log.text_page(&Filter::new().after(next), Format::Csv, 1000).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn text_page(
        &self,
        filter: &Filter,
        format: Format,
        per_page: u16,
    ) -> Result<TextPage, Error> {
        let mut url = self.list_url(filter, per_page)?;
        url.query_pairs_mut().append_pair("total", "false");
        let response = self.get_url(&url, Some(format.media_type())).await?;
        let link = response.header("link").map(str::to_owned);
        let text = response.into_text(&url)?;
        let next = match link {
            Some(link) => next_cursor(&link, &url)?,
            None => None,
        };
        check_next(filter, None, next.as_deref(), &url)?;
        Ok(TextPage { text, next })
    }

    async fn next_page(&self, filter: &Filter, per_page: u16) -> Result<Page, Error> {
        let mut url = self.list_url(filter, per_page)?;
        url.query_pairs_mut().append_pair("total", "false");
        let page = page_of(self.get_url(&url, None).await?, &url)?;
        let mut previous = filter.cursor();
        for event in &page.events {
            if previous.is_some_and(|previous| !filter.is_behind(event.id(), previous)) {
                let problem = "its events are not in the order of their ids";
                return Err(Error::not_a_log(url.as_str(), problem));
            }
            previous = Some(event.id());
        }
        check_next(filter, previous, page.next.as_deref(), &url)?;
        Ok(page)
    }

    /// The URL of a page, for a request of your own.
    ///
    /// # Errors
    ///
    /// [`Error::Url`].
    pub fn list_url(&self, filter: &Filter, per_page: u16) -> Result<Url, Error> {
        let mut url = self.join("events")?;
        url.query_pairs_mut()
            .extend_pairs(filter.parameters())
            .append_pair("per_page", &per_page.to_string());
        // A signature is over `%20`, and what a gateway makes of a plus sign is its own affair.
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        Ok(url)
    }
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv",
        }
    }
}

/// A cursor that leads back would never end.
fn check_next(
    filter: &Filter,
    last: Option<&str>,
    next: Option<&str>,
    url: &Url,
) -> Result<(), Error> {
    let Some(next) = next else { return Ok(()) };
    let leads_on = filter
        .cursor()
        .is_none_or(|cursor| filter.is_behind(next, cursor));
    let passes_over = last.is_some_and(|last| filter.is_behind(last, next));
    match leads_on && !passes_over {
        true => Ok(()),
        false => Err(Error::not_a_log(url.as_str(), "its next_cursor leads back")),
    }
}

fn page_of(response: Response, url: &Url) -> Result<Page, Error> {
    let text = response.into_text(url)?;
    let page: RawPage<'_> =
        serde_json::from_str(&text).map_err(|error| Error::not_a_log(url.as_str(), error))?;
    let mut events = Vec::with_capacity(page.events.len());
    for raw in page.events {
        let event = RecordedEvent::parse(raw.get().to_owned());
        events.push(event.map_err(|problem| Error::not_a_log(url.as_str(), problem))?);
    }
    let total = page.total.map(|events| Total {
        events,
        is_exact: page.total_exact == Some(true),
    });
    Ok(Page {
        events,
        total,
        next: page.next_cursor,
    })
}

/// The cursor of the `next` link (RFC 8288). `None` if there is no such link.
fn next_cursor(link: &str, url: &Url) -> Result<Option<String>, Error> {
    let mut links = link.split(", ");
    let Some(next) = links.find(|link| link.ends_with("; rel=\"next\"")) else {
        return Ok(None);
    };
    let cursor = next
        .split_once('>')
        .and_then(|(target, _)| url.join(target.strip_prefix('<')?).ok())
        .and_then(|target| {
            let mut parameters = target.query_pairs();
            let cursor = parameters.find(|(name, _)| name == "cursor")?;
            Some(cursor.1.into_owned())
        });
    match cursor {
        Some(cursor) => Ok(Some(cursor)),
        None => Err(Error::not_a_log(
            url.as_str(),
            "its next link has no cursor",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_in_the_next_link() {
        let url: Url = "https://log/prod/events?x=1".parse().unwrap();
        let link = "</prod/events?page=1>; rel=\"first\", </prod/events?user_id=a%2C%20b&cursor=abc&page=2>; rel=\"next\"";
        assert_eq!(next_cursor(link, &url).unwrap().as_deref(), Some("abc"));
        assert_eq!(next_cursor("</events>; rel=\"last\"", &url).unwrap(), None);
        assert!(next_cursor("</events>; rel=\"next\"", &url).is_err());
    }

    #[test]
    fn a_cursor_that_leads_back_is_refused() {
        let url: Url = "https://log/events".parse().unwrap();
        let first = Filter::new();
        let after = Filter::new().after("5");
        assert!(check_next(&first, Some("6"), Some("6"), &url).is_ok());
        assert!(check_next(&first, Some("6"), Some("7"), &url).is_err());
        assert!(check_next(&after, None, Some("4"), &url).is_ok());
        assert!(check_next(&after, None, Some("5"), &url).is_err());
        assert!(check_next(&after, None, None, &url).is_ok());
    }
}
