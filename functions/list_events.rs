//! `GET /events`: a page of the log. `GET /events/{id}`: one event.

use std::fmt::Write;

use futures_util::future::try_join;
use lambda_http::http::{Response, StatusCode, header};
use lambda_http::{Body, Request, RequestExt};

use crate::count::{Count, CountsTable, Located, Total};
use crate::effects::Effects;
use crate::event::{EventId, IdRange};
use crate::http::{
    ListLinks, ListQuery, MAX_EVENTS_BYTES, Problem, Purpose, RequestContext, json_response, json_string_bytes, serve,
};
use crate::store::{Error, EventStore, Page, Scope, StoredEvent};

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct ListEvents {
    store: EventStore,
    count: Count,
    effects: Effects,
}

impl ListEvents {
    /// A handler that reads from `log`, with the index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable, effects: Effects) -> ListEvents {
        ListEvents { count: Count::new(store.clone(), counts), store, effects }
    }

    /// Answers a request; an error, too, is an answer.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(Purpose::Read, &self.effects, &request, |request, context| async move {
            match &context.id {
                Some(id) => self.get(id).await,
                None => self.list(request, &context).await,
            }
        })
        .await
    }

    /// A malformed id is told like one that does not exist: both are no event.
    async fn get(&self, id: &str) -> Result<Response<Body>, Problem> {
        let id = EventId::parse(id).ok_or_else(Problem::event_not_found)?;
        let event = self.store.get(id).await.map_err(unread)?.ok_or_else(Problem::event_not_found)?;
        Ok(json_response(StatusCode::OK, None, event.json))
    }

    async fn list(&self, request: &Request, context: &RequestContext) -> Result<Response<Body>, Problem> {
        let query = ListQuery::parse(&request.query_string_parameters(), request.uri().query())?;
        let scope = query.user_id.clone().map_or(Scope::Everyone, Scope::User);
        let range = IdRange::ALL;
        let range = query.from.as_ref().map_or(range, |(_, from)| range.from(*from));
        let range = query.to.as_ref().map_or(range, |(_, to)| range.to(*to));

        let (total, page) = self.page(&query, &scope, range).await.map_err(unread)?;
        // Who walks by cursor, or does not count, goes on where a shorter page ends. Page numbers would not fit.
        if page.cut && query.cursor.is_none() && query.total {
            return Err(too_large(&query, page.events.len()));
        }
        let total = total.filter(|_| query.total).map(|total| at_least(total, proven(&query, &page)));
        let total_pages = total.map(|total| total.events.div_ceil(query.per_page));
        let links = ListLinks { context, query: &query, total_pages, next: page.next_cursor() }.header();
        let json = render(&query, &page, total, total_pages);
        Ok(json_response(StatusCode::OK, links.map(|links| (header::LINK, links)), json))
    }

    /// The page, and the total where it is known.
    async fn page(&self, query: &ListQuery, scope: &Scope, range: IdRange) -> Result<(Option<Total>, Page), Error> {
        match (query.cursor, skipped(query).checked_sub(1)) {
            (None, Some(rank)) => self.page_by_number(query, scope, range, rank).await,
            _ => self.page_from_newest(query, scope, range).await,
        }
    }

    /// The first page, or the one after a cursor.
    async fn page_from_newest(
        &self,
        query: &ListQuery,
        scope: &Scope,
        range: IdRange,
    ) -> Result<(Option<Total>, Page), Error> {
        let now = self.effects.now();
        let of_page = query.cursor.map_or(range, |cursor| range.below(cursor));
        let mut reader = self.store.page_reader(scope, self.store.partitions(scope), of_page, per_page(query));
        // The roots of the index tell whether there are more shards than the settings name.
        let (index, ()) = try_join(self.count.index(scope), reader.start()).await?;
        reader.extend(index.unlisted());
        let mut fits = fits();
        let rows = reader.read(&mut fits).await?;
        if !query.total {
            return Ok((None, self.store.page(rows, fits).await?));
        }
        // The first page has read some of what is counted live, or all of it.
        let seen = if query.cursor.is_none() { reader.seen() } else { Vec::new() };
        let total = self.count.total(&index, range, &seen, now);
        let (page, total) = try_join(self.store.page(rows, fits), total).await?;
        Ok((Some(total), page))
    }

    /// The page that begins after the event at `rank`.
    async fn page_by_number(
        &self,
        query: &ListQuery,
        scope: &Scope,
        range: IdRange,
        rank: u64,
    ) -> Result<(Option<Total>, Page), Error> {
        let now = self.effects.now();
        let (index, live) = try_join(self.count.index(scope), self.count.live(scope, range, now)).await?;
        let unlisted = index.unlisted();
        let Located { total, id } = self.count.locate(&index, live, range, rank, now).await?;
        let Some(id) = id else { return Ok((Some(total), Page::default())) };
        let partitions = [self.store.partitions(scope), unlisted].concat();
        let mut reader = self.store.page_reader(scope, partitions, range.below(id), per_page(query));
        let mut fits = fits();
        let rows = reader.read(&mut fits).await?;
        Ok((Some(total), self.store.page(rows, fits).await?))
    }
}

fn per_page(query: &ListQuery) -> usize {
    usize::try_from(query.per_page).unwrap_or(usize::MAX)
}

/// How many events lie before a page by number.
fn skipped(query: &ListQuery) -> u64 {
    (query.page - 1).saturating_mul(query.per_page)
}

/// Whether the next event of a page still fits into an answer.
fn fits() -> impl FnMut(&StoredEvent) -> bool {
    let mut left = MAX_EVENTS_BYTES;
    move |event| {
        let with_comma = json_string_bytes(&event.json) + 1;
        left.checked_sub(with_comma).map(|rest| left = rest).is_some()
    }
}

/// How many events there are, as the page itself shows.
fn proven(query: &ListQuery, page: &Page) -> u64 {
    let shown = page.events.len() as u64 + u64::from(page.more);
    // After a cursor nobody knows how many lie before it.
    let before = if query.cursor.is_none() && shown > 0 { skipped(query) } else { 0 };
    before + shown
}

/// A total that is not below what is proven.
fn at_least(total: Total, proven: u64) -> Total {
    if proven > total.events { Total { events: proven, exact: false } } else { total }
}

fn unread(error: Error) -> Problem {
    Problem::from_store(Purpose::Read, &error)
}

/// Names a smaller page that starts with the same event and fits: `per_page` must divide the events before it.
fn too_large(query: &ListQuery, fitting: usize) -> Problem {
    let skipped = skipped(query);
    let fitting = u64::try_from(fitting).unwrap_or(1).max(1);
    let per_page = (1..=fitting).rev().find(|per_page| skipped.is_multiple_of(*per_page)).unwrap_or(1);
    Problem::page_too_large(&format!("per_page={per_page}&page={}", skipped / per_page + 1))
}

fn render(query: &ListQuery, page: &Page, total: Option<Total>, total_pages: Option<u64>) -> String {
    let events: usize = page.events.iter().map(|event| event.json.len() + 1).sum();
    let mut json = String::with_capacity(events + 256);
    json.push_str(r#"{"events":["#);
    for (position, event) in page.events.iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        json.push_str(&event.json);
    }
    let next = page.next_cursor().map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    let events = or_null(total.map(|total| total.events));
    let exact = or_null(total.map(|total| total.exact));
    let total_pages = or_null(total_pages);
    let (number, per_page) = (query.page, query.per_page);
    // Writing to a String does not fail.
    let _ = write!(
        json,
        "],\"total\":{events},\"total_exact\":{exact},\"page\":{number},\"per_page\":{per_page},\
         \"total_pages\":{total_pages},\"next_cursor\":{next}}}"
    );
    json
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}
