//! `POST /events`: records one event.

use std::time::Duration;

use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::{Body, Request};
use serde::Serialize;

use crate::count::{CountsTable, Indexer, is_late_or_ahead};
use crate::effects::Effects;
use crate::event::{EventId, NewEvent, Timestamp};
use crate::http::{
    Problem, Purpose, RequestContext, document_text, encode_path, idempotency_key, json_response, serve,
};
use crate::store::{Appended, AppendedWithKey, Error, EventKey, EventStore, KeyHash, Recorded};
use crate::telemetry::Metric;

/// How often a new event draws an id before that counts as a fault: two equal draws of 50 bits in one nanosecond do not
/// happen twice in a row.
const MAX_DRAWS: usize = 3;
/// What the log says then.
const ALL_TAKEN: &str = "every id that was drawn was taken; the random numbers repeat";

/// How long an event that is late or ahead may take to be added to the index: together with the put's own time (functions/boot) less
/// than what the template gives a request.
const INDEX_TIME: Duration = Duration::from_secs(3);
/// What is kept of a request's time to answer that the event is recorded, though it is not in the index.
const RESPONSE_TIME: Duration = Duration::from_millis(100);

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct CreateEvent {
    store: EventStore,
    indexer: Indexer,
    effects: Effects,
}

impl CreateEvent {
    /// A handler that records in `log`, and adds events that are late or ahead to the index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable, effects: Effects) -> CreateEvent {
        CreateEvent { indexer: Indexer::new(store.clone(), counts), store, effects }
    }

    /// Answers a request; an error, too, is an answer.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(Purpose::Record, &self.effects, &request, |request, context| self.record(request, context)).await
    }

    async fn record(&self, request: &Request, context: RequestContext) -> Result<Response<Body>, Problem> {
        let text = document_text(request)?;
        let key = idempotency_key(request)?;
        let now = self.effects.now();
        let event = NewEvent::parse(text, now)?;
        let recorded = Recorded { at: now.to_string(), by: context.caller.clone(), from: context.source_ip.clone() };

        let (message, status, id) = match key {
            Some(key) => self.record_with_key(key, &event, &recorded, &context).await?,
            None => ("Event recorded", StatusCode::CREATED, self.record_new(&event, &recorded).await?),
        };

        let metric = if status == StatusCode::CREATED { Metric::EventsRecorded } else { Metric::EventsReplayed };
        self.effects.note(metric, 1.0, None);
        self.count_if_not_live(id, event, context.deadline).await;

        #[derive(Serialize)]
        struct Form {
            message: &'static str,
            id: String,
        }
        let json = serde_json::to_string(&Form { message, id: id.to_string() })
            .map_err(|error| Problem::internal(error.to_string()))?;
        let location = HeaderValue::try_from(format!("{}/{id}", encode_path(&context.path)))
            .map_err(|error| Problem::internal(error.to_string()))?;
        Ok(json_response(status, [(header::LOCATION, location)], json))
    }

    /// Adds an event to the index that no list counts live until the stream delivers it: one that is late, or ahead.
    ///
    /// It is recorded whatever becomes of this, and so acknowledged within the request's time. If it cannot be added in
    /// time, the stream will add it, and until then totals lack it.
    async fn count_if_not_live(&self, id: EventId, event: NewEvent, deadline: Option<Timestamp>) {
        if !is_late_or_ahead(event.timestamp, self.effects.now()) {
            return;
        }
        let key = EventKey { id, user_id: event.user_id };
        let left = deadline.and_then(|deadline| self.effects.time_left(deadline));
        let time = left.map_or(INDEX_TIME, |left| INDEX_TIME.min(left.saturating_sub(RESPONSE_TIME)));
        let cause = match tokio::time::timeout(time, self.indexer.add_now(&key)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {time:?}"),
        };
        self.effects.note(Metric::LateEventsUncounted, 1.0, None);
        tracing::warn!(%id, cause, "an event that is late or ahead is not counted until the stream has delivered it");
    }

    /// Records an event that is new, whatever the log holds.
    async fn record_new(&self, event: &NewEvent, recorded: &Recorded) -> Result<EventId, Problem> {
        for _ in 0..MAX_DRAWS {
            let id = self.draw_id(event)?;
            match self.store.append(id, event, recorded).await.map_err(unrecorded)? {
                Appended::New => return Ok(id),
                Appended::IdTaken => {}
            }
        }
        Err(Problem::internal(ALL_TAKEN))
    }

    /// Records an event, unless its key recorded one before. Gives the message, the status, and the id of the event
    /// that the key recorded.
    async fn record_with_key(
        &self,
        key: &str,
        event: &NewEvent,
        recorded: &Recorded,
        context: &RequestContext,
    ) -> Result<(&'static str, StatusCode, EventId), Problem> {
        let hash = KeyHash::new(context.principal(), &event.src_service, key);
        for _ in 0..MAX_DRAWS {
            let id = self.draw_id(event)?;
            match self.store.append_with_key(&hash, id, event, recorded).await.map_err(unrecorded)? {
                AppendedWithKey::New => return Ok(("Event recorded", StatusCode::CREATED, id)),
                AppendedWithKey::Already(first) => return Ok(("Event already recorded", StatusCode::OK, first)),
                AppendedWithKey::Other { first, difference } => return Err(Problem::key_reused(first, &difference)),
                AppendedWithKey::IdTaken => {}
            }
        }
        Err(Problem::internal(ALL_TAKEN))
    }

    fn draw_id(&self, event: &NewEvent) -> Result<EventId, Problem> {
        let random = self.effects.random().map_err(|error| Problem::internal(error.to_string()))?;
        Ok(EventId::new(event.timestamp, random, self.store.shards().get()))
    }
}

fn unrecorded(error: Error) -> Problem {
    Problem::from_store(Purpose::Record, &error)
}
