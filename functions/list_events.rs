//! `GET /events`: a page of the log. `GET /events/{id}`: one event.

mod combined;

use std::fmt::Write;

use futures_util::future::try_join;
use lambda_http::http::{Response, StatusCode, header};
use lambda_http::{Body, Request, RequestExt};

use crate::count::{Count, Total};
use crate::deps::Deps;
use crate::effects::Effects;
use crate::event::{EventId, FieldValue, Order};
use crate::http::{
    ListLinks, ListQuery, MAX_EVENTS_BYTES, Problem, Purpose, RequestContext, Start, json_response,
    json_string_bytes, serve,
};
use crate::store::{Error, EventStore, Page, PageEnd, Scope, Selection, StoredEvent};

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct ListEvents {
    store: EventStore,
    count: Count,
    effects: Effects,
}

/// A page, and the total where it is known.
struct List {
    page: Page,
    total: Option<Total>,
}

impl ListEvents {
    /// A handler that reads from the store, with totals from the count index.
    pub fn new(deps: Deps) -> ListEvents {
        ListEvents {
            count: Count::new(deps.store.clone(), deps.counts),
            store: deps.store,
            effects: deps.effects,
        }
    }

    /// Handles a request. Every outcome is a response, an error too.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(
            Purpose::Read,
            &self.effects,
            &request,
            |request, context| async move {
                match &context.id {
                    Some(id) => self.get(id).await,
                    None => self.list(request, &context).await,
                }
            },
        )
        .await
    }

    async fn get(&self, id: &str) -> Result<Response<Body>, Problem> {
        // A malformed id is a 404 too: it cannot name an event.
        let id = EventId::parse(id).ok_or_else(Problem::event_not_found)?;
        let event = self.store.get(id).await.map_err(problem)?;
        let event = event.ok_or_else(Problem::event_not_found)?;
        Ok(json_response(StatusCode::OK, None, event.json))
    }

    async fn list(
        &self,
        request: &Request,
        context: &RequestContext,
    ) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let query = ListQuery::parse(&parameters, request.uri().query())?;
        let List { page, total } = self.read(&query).await?;

        // A page by number must be complete, or the numbers of the next pages would be wrong. A
        // cursor continues wherever a shorter page ends.
        let by_number = query.cursor().is_none() && query.total();
        if page.end == PageEnd::TooLarge && by_number {
            return Err(too_large(&query, page.events.len()));
        }

        let total = total.map(|total| at_least(total, events_shown(&query, &page)));
        let total_pages = total.map(|total| total.events.div_ceil(query.per_page().get()));
        let links = ListLinks {
            context,
            query: &query,
            // The last page is not known while entries are left to examine.
            total_pages: match page.end {
                PageEnd::Unexamined { .. } => None,
                _ => total_pages,
            },
            next: page.next_cursor(),
        };
        let link_header = links.header().map(|links| (header::LINK, links));
        let json = render(&query, &page, total, total_pages);
        Ok(json_response(StatusCode::OK, link_header, json))
    }

    /// The page that the query is for, and the total if it wants one.
    async fn read(&self, query: &ListQuery) -> Result<List, Problem> {
        let (scope, others) = self.scope(query.filters())?;
        let selection = Selection {
            scope,
            range: query.range(),
            order: query.order(),
        };
        if !others.is_empty() {
            return self.combined(query, &selection, &others).await;
        }
        let list = match query.start() {
            Start::First => self.page_from(query, &selection, &selection).await,
            Start::After(cursor) => {
                let of_page = selection.after(cursor);
                self.page_from(query, &selection, &of_page).await
            }
            Start::AfterRank(rank) => self.page_by_number(query, &selection, rank).await,
        };
        list.map_err(problem)
    }

    /// The scope of the first filter that has a GSI, and the other filters.
    fn scope(&self, filters: &[FieldValue]) -> Result<(Scope, Vec<FieldValue>), Problem> {
        let Some(first) = filters.first() else {
            return Ok((Scope::Everyone, Vec::new()));
        };
        let has_gsi = |value: &&FieldValue| self.store.filters().contains(value.field());
        let Some(chosen) = filters.iter().find(has_gsi) else {
            return Err(Problem::not_indexed(first.field()));
        };
        let others = filters.iter().filter(|filter| *filter != chosen);
        Ok((Scope::With(chosen.clone()), others.cloned().collect()))
    }

    /// The first page of `of_page`, and the total of the selection that it is a part of.
    async fn page_from(
        &self,
        query: &ListQuery,
        selection: &Selection,
        of_page: &Selection,
    ) -> Result<List, Error> {
        let now = self.effects.now();
        let partitions = self.store.partitions(&selection.scope);
        let mut reader = self.store.page_reader(of_page, partitions, per_page(query));

        // The roots of the count index say whether there are more shards than the settings name.
        let index = self.count.index(&selection.scope);
        let (index, ()) = try_join(index, reader.start()).await?;
        reader.extend(index.unlisted());
        let mut fits = fits();
        let rows = reader.read(&mut fits).await?;
        if !query.total() {
            let page = self.store.page(rows, fits).await?;
            return Ok(List { page, total: None });
        }

        // The newest page has read some of the live window, or all of it.
        let is_newest = query.start() == Start::First && selection.order == Order::Descending;
        let seen = if is_newest { reader.seen() } else { Vec::new() };
        let total = self.count.total(&index, selection.range, &seen, now);
        let (page, total) = try_join(self.store.page(rows, fits), total).await?;
        let total = Some(total);
        Ok(List { page, total })
    }

    /// The page that follows the event at `rank`.
    async fn page_by_number(
        &self,
        query: &ListQuery,
        selection: &Selection,
        rank: u64,
    ) -> Result<List, Error> {
        let now = self.effects.now();
        // The live window and the roots of the count index, in one round trip.
        let index = self.count.index(&selection.scope);
        let live = self.count.live(selection, now);
        let (index, live) = try_join(index, live).await?;

        // One read a level of the trie, down to the id at that rank.
        let located = self
            .count
            .locate(&index, live, selection, rank, now)
            .await?;
        let total = query.total().then_some(located.total);
        let Some(id) = located.id else {
            let page = Page::default();
            return Ok(List { page, total });
        };

        // The page that follows that id.
        let mut partitions = self.store.partitions(&selection.scope);
        partitions.extend(index.unlisted());
        let of_page = selection.after(id);
        let mut reader = self
            .store
            .page_reader(&of_page, partitions, per_page(query));
        let mut fits = fits();
        let rows = reader.read(&mut fits).await?;
        let page = self.store.page(rows, fits).await?;
        Ok(List { page, total })
    }
}

fn per_page(query: &ListQuery) -> usize {
    usize::try_from(query.per_page().get()).unwrap_or(usize::MAX)
}

/// Whether the next event of a page still fits into a response. Called once for each event.
fn fits() -> impl FnMut(&StoredEvent) -> bool {
    let mut left = MAX_EVENTS_BYTES;
    move |event| {
        let with_comma = json_string_bytes(&event.json) + 1;
        match left.checked_sub(with_comma) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        }
    }
}

/// How many events there are at least, as the page itself shows.
fn events_shown(query: &ListQuery, page: &Page) -> u64 {
    let mut shown = page.events.len() as u64;
    if page.has_more() {
        shown += 1;
    }
    // The number of events before a cursor is not known.
    if query.cursor().is_none() && shown > 0 {
        shown += query.skipped();
    }
    shown
}

/// A total that is not below what the page shows.
fn at_least(total: Total, shown: u64) -> Total {
    if shown <= total.events {
        return total;
    }
    Total {
        events: shown,
        exact: false,
    }
}

fn problem(error: Error) -> Problem {
    Problem::from_store(Purpose::Read, &error)
}

/// Names a smaller page that starts with the same event and fits. Its `per_page` must divide the
/// number of events before it.
fn too_large(query: &ListQuery, fitting: usize) -> Problem {
    let skipped = query.skipped();
    let fitting = u64::try_from(fitting).unwrap_or(1).max(1);
    let divides = |per_page: &u64| skipped.is_multiple_of(*per_page);
    let per_page = (1..=fitting).rev().find(divides).unwrap_or(1);
    let page = skipped / per_page + 1;
    Problem::page_too_large(&format!("per_page={per_page}&page={page}"))
}

fn render(
    query: &ListQuery,
    page: &Page,
    total: Option<Total>,
    total_pages: Option<u64>,
) -> String {
    const MEMBERS_BYTES: usize = 256;
    let event_bytes: usize = page.events.iter().map(|event| event.json.len() + 1).sum();
    let mut json = String::with_capacity(event_bytes + MEMBERS_BYTES);
    json.push_str(r#"{"events":["#);
    for (position, event) in page.events.iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        json.push_str(&event.json);
    }
    let total_events = or_null(total.map(|total| total.events));
    let total_exact = or_null(total.map(|total| total.exact));
    let total_pages = or_null(total_pages);
    let number = query.page().get();
    let per_page = query.per_page().get();
    let next_cursor = match page.next_cursor() {
        Some(id) => format!("\"{id}\""),
        None => "null".to_owned(),
    };
    // Writing to a String does not fail.
    let _ = write!(
        json,
        "],\"total\":{total_events},\"total_exact\":{total_exact},\"page\":{number},\
         \"per_page\":{per_page},\"total_pages\":{total_pages},\"next_cursor\":{next_cursor}}}"
    );
    json
}

fn or_null(value: Option<impl ToString>) -> String {
    match value {
        Some(value) => value.to_string(),
        None => "null".to_owned(),
    }
}
