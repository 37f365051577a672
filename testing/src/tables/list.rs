//! Lists of what is in the tables, what they cost, and what they must show.

use std::collections::BTreeSet;

use audit_log::deps::Deps;
use audit_log::dynamodb::Usage;
use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use audit_log::list_events::ListEvents;
use audit_log::store::EventKey;
use lambda_http::Body;
use lambda_http::http::{Request, Response};
use serde_json::Value;

use super::{Tables, is_of_user};
use crate::{get_request, histogram_request, ids, list_request, usage};

/// How many events a page has in [`Tables::check`].
const PER_PAGE: usize = 7;

impl Tables {
    /// `GET /events?query` at `now`, from a function that has answered all queries before.
    ///
    /// Queries at the same time must have the same `now`.
    pub async fn get(&self, query: &str, now: Timestamp) -> (Value, Usage) {
        *self.now.lock().unwrap() = now;
        ask(&self.lists, list_request(query)).await
    }

    /// `GET /events/histogram?query` at `now`, from the same function.
    pub async fn histogram(&self, query: &str, now: Timestamp) -> (Value, Usage) {
        *self.now.lock().unwrap() = now;
        ask(&self.lists, histogram_request(query)).await
    }

    /// The same from a function that has just been started.
    pub async fn get_cold(&self, query: &str, now: Timestamp) -> (Value, Usage) {
        list(&self.deps(), query, now).await
    }

    /// `GET /events/{id}`.
    pub async fn get_one(&self, id: EventId) -> Response<Body> {
        let effects = Effects::system();
        let function = ListEvents::new(self.deps().with_effects(effects));
        function.handle(get_request(id)).await
    }

    /// Compares totals and pages with the sorted events, for everyone and for user 1.
    pub async fn check(&self, events: &[EventKey], now: Timestamp) {
        let all: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
        self.check_pages("", &all, now).await;
        let events_of_1 = events.iter().filter(|event| is_of_user(event, "1"));
        let ids_of_1: BTreeSet<EventId> = events_of_1.map(|event| event.id).collect();
        self.check_pages("&user_id=1", &ids_of_1, now).await;
    }

    /// Compares totals and pages of one list, in both orders, with the ids that it must show.
    pub async fn check_pages(&self, filter: &str, expected: &BTreeSet<EventId>, now: Timestamp) {
        let newest_first: Vec<String> = expected.iter().rev().map(EventId::to_string).collect();
        let pages: Vec<&[String]> = newest_first.chunks(PER_PAGE).collect();
        let last = pages.len();
        for page in [1, 2, 3, last / 3, last / 2, last - 1, last] {
            let query = format!("per_page={PER_PAGE}&page={page}{filter}");
            let (list, _) = self.get(&query, now).await;
            assert_eq!(list["total"], newest_first.len(), "{query}");
            assert_eq!(ids(&list), pages[page - 1], "{query}");
        }
        let query = format!("per_page={PER_PAGE}&page={}{filter}", last + 1);
        let (past, _) = self.get(&query, now).await;
        assert_eq!(past["total"], newest_first.len(), "{query}");
        assert_eq!(ids(&past), Vec::<String>::new(), "{query}");

        let oldest_first: Vec<String> = newest_first.iter().rev().cloned().collect();
        let pages: Vec<&[String]> = oldest_first.chunks(PER_PAGE).collect();
        for page in [1, 2, last / 2, last] {
            let query = format!("per_page={PER_PAGE}&order=asc&page={page}{filter}");
            let (list, _) = self.get(&query, now).await;
            assert_eq!(list["total"], oldest_first.len(), "{query}");
            assert_eq!(ids(&list), pages[page - 1], "{query}");
        }
    }
}

/// `GET /events?query` from these tables at `now`, and what it used.
pub async fn list(deps: &Deps, query: &str, now: Timestamp) -> (Value, Usage) {
    let effects = Effects::system().with_clock(move || now);
    let function = ListEvents::new(deps.clone().with_effects(effects));
    ask(&function, list_request(query)).await
}

async fn ask(function: &ListEvents, request: Request<Body>) -> (Value, Usage) {
    let response = function.handle(request).await;
    assert_eq!(response.status(), 200, "{response:?}");
    let list = serde_json::from_slice(response.body()).unwrap();
    (list, usage(&response))
}
