//! `GET /events`: a page of the log. `GET /events/{id}`: one event.

use std::fmt::Write;

use futures_util::future::try_join;
use lambda_http::http::{Response, StatusCode};
use lambda_http::{Body, Request, RequestExt};

use crate::boot::Sources;
use crate::count::{Count, CountsTable, Located};
use crate::event::{EventId, IdRange};
use crate::http::{
    ANSWER_BYTES_MAX, LIST_LINKS, ListLinks, ListQuery, Origin, Problem, Purpose, answer, json_string_bytes, serve,
};
use crate::log::{Error, EventLog, Page, Scope, StoredEvent};

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct ListEvents {
    log: EventLog,
    count: Count,
    sources: Sources,
}

impl ListEvents {
    /// A handler that reads from `log`, with the index in `counts`.
    pub fn new(log: EventLog, counts: CountsTable, sources: Sources) -> ListEvents {
        ListEvents { count: Count::new(log.clone(), counts), log, sources }
    }

    /// Answers a request; an error, too, is an answer.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(Purpose::Read, &self.sources, &request, |request, origin| async move {
            match &origin.id {
                Some(id) => self.get(id).await,
                None => self.list(request, &origin).await,
            }
        })
        .await
    }

    /// A malformed id is told like one that does not exist: both are no event.
    async fn get(&self, id: &str) -> Result<Response<Body>, Problem> {
        let id = EventId::parse(id).ok_or_else(Problem::no_such_event)?;
        let event = self.log.get(id).await.map_err(unread)?.ok_or_else(Problem::no_such_event)?;
        Ok(answer(StatusCode::OK, None, event.json))
    }

    async fn list(&self, request: &Request, origin: &Origin) -> Result<Response<Body>, Problem> {
        let query = ListQuery::parse(&request.query_string_parameters(), request.uri().query())?;
        let scope = query.user_id.clone().map_or(Scope::Everyone, Scope::User);
        let range = IdRange::ALL;
        let range = query.from.as_ref().map_or(range, |(_, from)| range.from(*from));
        let range = query.to.as_ref().map_or(range, |(_, to)| range.to(*to));

        let (total, page) = self.page(&query, &scope, range).await.map_err(unread)?;
        if page.cut && query.cursor.is_none() {
            return Err(too_large(&query, page.events.len()));
        }
        let total_pages = total.div_ceil(query.per_page);
        let links = ListLinks { origin, query: &query, total_pages, next: page.next_cursor() }.header();
        Ok(answer(StatusCode::OK, links.map(|links| (LIST_LINKS, links)), render(&query, &page, total, total_pages)))
    }

    /// The total and the page. They are read side by side, unless the page's place must be counted first.
    async fn page(&self, query: &ListQuery, scope: &Scope, range: IdRange) -> Result<(u64, Page), Error> {
        let now = self.sources.now();
        let skipped = (query.page - 1).saturating_mul(query.per_page);
        match (query.cursor, skipped.checked_sub(1)) {
            (Some(cursor), _) => {
                let page = self.after(query, scope, range.below(cursor));
                try_join(self.count.total(scope, range, now), page).await
            }
            (None, None) => {
                // The first page reads what is counted live.
                let page = async |edge| self.read(query, scope, range, edge).await;
                self.count.total_beside(scope, range, now, page).await
            }
            (None, Some(rank)) => {
                let Located { total, id } = self.count.locate(scope, range, rank, now).await?;
                let page = match id {
                    Some(id) => self.after(query, scope, range.below(id)).await?,
                    None => Page::default(),
                };
                Ok((total, page))
            }
        }
    }

    /// The newest events in `range`, as many as the query asks for and an answer can carry.
    async fn after(&self, query: &ListQuery, scope: &Scope, range: IdRange) -> Result<Page, Error> {
        let (page, _) = self.read(query, scope, range, IdRange::NONE).await?;
        Ok(page)
    }

    /// The same, and how many events lie in `counted`: see [`EventLog::list`].
    async fn read(
        &self,
        query: &ListQuery,
        scope: &Scope,
        range: IdRange,
        counted: IdRange,
    ) -> Result<(Page, u64), Error> {
        let per_page = usize::try_from(query.per_page).unwrap_or(usize::MAX);
        let mut left = ANSWER_BYTES_MAX;
        let fits = |event: &StoredEvent| {
            let with_comma = json_string_bytes(&event.json) + 1;
            left.checked_sub(with_comma).map(|rest| left = rest).is_some()
        };
        self.log.list(scope, range, counted, per_page, fits).await
    }
}

fn unread(error: Error) -> Problem {
    Problem::from_log(Purpose::Read, &error)
}

/// Names a smaller page that starts with the same event and fits: `per_page` must divide the events before it.
fn too_large(query: &ListQuery, fitting: usize) -> Problem {
    let skipped = (query.page - 1) * query.per_page;
    let fitting = u64::try_from(fitting).unwrap_or(1).max(1);
    let per_page = (1..=fitting).rev().find(|per_page| skipped.is_multiple_of(*per_page)).unwrap_or(1);
    Problem::page_too_large(&format!("per_page={per_page}&page={}", skipped / per_page + 1))
}

fn render(query: &ListQuery, page: &Page, total: u64, total_pages: u64) -> String {
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
    let (number, per_page) = (query.page, query.per_page);
    // Writing to a String does not fail.
    let _ = write!(
        json,
        r#"],"total":{total},"page":{number},"per_page":{per_page},"total_pages":{total_pages},"next_cursor":{next}}}"#
    );
    json
}
