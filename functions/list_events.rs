//! What is read.
//!
//! | route | subject |
//! |---|---|
//! | `GET /events` | a page of events |
//! | `GET /events/{id}` | one event |
//! | `GET /events/histogram` | how many events ranges of time have |
//! | `GET /events/facets` | values to filter by |
//! | `GET /events/feed` | events in the order of the transparency log |
//! | `GET /events/{id}/proof` | that an event is in the transparency log |
//! | `GET /log/checkpoint` | the size and the root of the transparency log, signed |
//! | `GET /log/{path+}` | the tiles of the transparency log |

mod checkpoint;
mod combined;
mod facets;
mod feed;
mod histogram;
mod page;
mod proof;
mod tile;

use lambda_http::http::{Response, StatusCode, header};
use lambda_http::{Body, Request, RequestExt};

use crate::count::{Count, CountsTable, Total};
use crate::deps::Deps;
use crate::effects::Effects;
use crate::event::{EventId, FieldValue};
use crate::http::{
    Format, ListLinks, ListPage, ListQuery, MAX_EVENTS_BYTES, Problem, Purpose, RequestContext,
    Route, Start, response, serve,
};
use crate::store::{Error, EventStore, Page, PageEnd, Scope, Selection, StoredEvent};
use crate::tree::TreeTable;

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct ListEvents {
    store: EventStore,
    count: Count,
    counts: CountsTable,
    tree: TreeTable,
    effects: Effects,
}

/// A page, and the total where it is known.
struct List {
    page: Page,
    total: Option<Total>,
}

/// A list that a request asks for.
struct Wanted<'a> {
    query: &'a ListQuery,
    /// The events of the index that is read.
    selection: Selection,
    /// The values that these events must have besides.
    others: Vec<FieldValue>,
    format: Format,
}

impl ListEvents {
    /// A handler that reads from the store, with totals from the count index.
    pub fn new(deps: Deps) -> ListEvents {
        ListEvents {
            count: Count::new(deps.store.clone(), deps.counts.clone()),
            counts: deps.counts,
            tree: deps.tree,
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
                match context.route {
                    Route::Events => self.list(request, &context).await,
                    Route::Event => self.get(request, &context).await,
                    Route::Histogram => self.histogram(request).await,
                    Route::Facets => self.facets(request).await,
                    Route::Feed => self.feed(request).await,
                    Route::Proof => self.proof(&context).await,
                    Route::Checkpoint => self.checkpoint().await,
                    Route::Tile => self.tile(&context).await,
                }
            },
        )
        .await
    }

    async fn get(
        &self,
        request: &Request,
        context: &RequestContext,
    ) -> Result<Response<Body>, Problem> {
        let format = Format::accepted(request)?;
        let id = id_of(context)?;
        let event = self.store.get(id).await.map_err(problem)?;
        let event = event.ok_or_else(Problem::event_not_found)?;
        let body = format.event(event)?;
        Ok(response(StatusCode::OK, format.content_type(), None, body))
    }

    async fn list(
        &self,
        request: &Request,
        context: &RequestContext,
    ) -> Result<Response<Body>, Problem> {
        let format = Format::accepted(request)?;
        let parameters = request.query_string_parameters();
        let query = ListQuery::parse(&parameters, request.uri().query())?;
        let wanted = self.wanted(&query, format)?;
        let List { page, total } = self.read(&wanted).await?;

        // A page by number must be complete, or the numbers of the next pages would be wrong. A
        // cursor continues wherever a shorter page ends.
        let by_number = query.cursor().is_none() && query.total();
        if page.end == PageEnd::TooLarge && by_number {
            return Err(too_large(&query, page.events.len()));
        }

        let total = total.map(|total| at_least(total, events_shown(&query, &page)));
        let total_pages = total.map(|total| total.events.div_ceil(query.per_page().get()));
        let next_cursor = page.next_cursor();
        let links = ListLinks {
            context,
            query: &query,
            // The last page is not known while entries are left to examine.
            total_pages: match page.end {
                PageEnd::Unexamined { .. } => None,
                _ => total_pages,
            },
            next: next_cursor,
        };
        let link_header = links.header().map(|links| (header::LINK, links));
        let body = format.list(ListPage {
            query: &query,
            events: &page.events,
            total,
            total_pages,
            next_cursor,
        })?;
        Ok(response(
            StatusCode::OK,
            format.content_type(),
            link_header,
            body,
        ))
    }

    /// The scope to read: that of the first filter that has a GSI.
    fn scope(&self, filters: &[FieldValue]) -> Result<Scope, Problem> {
        let has_gsi = |value: &&FieldValue| self.store.filters().contains(value.field());
        match (filters.iter().find(has_gsi), filters.first()) {
            (Some(chosen), _) => Ok(Scope::With(chosen.clone())),
            (None, Some(filter)) => Err(Problem::not_indexed(filter.field())),
            (None, None) => Ok(Scope::Everyone),
        }
    }

    /// The list that a query asks for.
    fn wanted<'a>(&self, query: &'a ListQuery, format: Format) -> Result<Wanted<'a>, Problem> {
        let filters = query.filters();
        let scope = self.scope(filters)?;
        let is_other = |filter: &&FieldValue| scope != Scope::With((*filter).clone());
        let others = filters.iter().filter(is_other).cloned().collect();
        Ok(Wanted {
            query,
            selection: Selection {
                scope,
                range: query.range(),
                order: query.order(),
            },
            others,
            format,
        })
    }

    /// The page, and the total if the request wants one.
    async fn read(&self, wanted: &Wanted<'_>) -> Result<List, Problem> {
        let selection = &wanted.selection;
        if !wanted.others.is_empty() {
            return self.combined(wanted).await;
        }
        let list = match wanted.query.start() {
            Start::First => self.page_from(wanted, selection).await,
            Start::After(cursor) => self.page_from(wanted, &selection.after(cursor)).await,
            Start::AfterRank(rank) => self.page_by_number(wanted, rank).await,
        };
        list.map_err(problem)
    }
}

/// The id in the path. A malformed one is a 404 too: it cannot name an event.
fn id_of(context: &RequestContext) -> Result<EventId, Problem> {
    let id = context.id.as_deref().and_then(EventId::parse);
    id.ok_or_else(Problem::event_not_found)
}

fn per_page(query: &ListQuery) -> usize {
    usize::try_from(query.per_page().get()).unwrap_or(usize::MAX)
}

/// Whether the next event of a page still fits into a response. Called once for each event.
fn fits(format: Format) -> impl FnMut(&StoredEvent) -> bool {
    let mut left = MAX_EVENTS_BYTES;
    move |event| match left.checked_sub(format.max_bytes(&event.json)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
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

/// Names a smaller page that starts with the same event and fits, and the cursor with which a walk
/// begins. The `per_page` must divide the number of events before the page.
fn too_large(query: &ListQuery, fitting: usize) -> Problem {
    let skipped = query.skipped();
    let fitting = u64::try_from(fitting).unwrap_or(1).max(1);
    let divides = |per_page: &u64| skipped.is_multiple_of(*per_page);
    let per_page = (1..=fitting).rev().find(divides).unwrap_or(1);
    let page = skipped / per_page + 1;
    let fitting_page = format!("per_page={per_page}&page={page}");
    Problem::page_too_large(&fitting_page, EventId::before_all(query.order()))
}
