//! `POST /events`: records one event.

use std::time::Duration;

use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::{Body, Request};
use serde::Serialize;

use crate::boot::{Metric, Sources};
use crate::count::{CountsTable, Indexer, is_late_or_ahead};
use crate::event::{EventId, NewEvent, Timestamp};
use crate::http::{Origin, Problem, Purpose, answer, document_text, encode_path, idempotency_key, serve};
use crate::log::{Appended, AppendedWithKey, Error, EventKey, EventLog, KeyHash, Recorded};

/// How often a new event draws an id before that counts as a fault: two equal draws of 50 bits in one nanosecond do not
/// happen twice in a row.
const DRAWS_MAX: usize = 3;
/// What the log says then.
const ALL_TAKEN: &str = "every id that was drawn was taken; the random numbers repeat";

/// How long an event that is late or ahead may take to be added to the index: together with the put's own time (functions/boot) less
/// than what the template gives a request.
const INDEX_TIME: Duration = Duration::from_secs(3);
/// What is kept of a request's time to answer that the event is recorded, though it is not in the index.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct CreateEvent {
    log: EventLog,
    indexer: Indexer,
    sources: Sources,
}

impl CreateEvent {
    /// A handler that records in `log`, and adds events that are late or ahead to the index in `counts`.
    pub fn new(log: EventLog, counts: CountsTable, sources: Sources) -> CreateEvent {
        CreateEvent { indexer: Indexer::new(log.clone(), counts), log, sources }
    }

    /// Answers a request; an error, too, is an answer.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(Purpose::Record, &self.sources, &request, |request, origin| self.record(request, origin)).await
    }

    async fn record(&self, request: &Request, origin: Origin) -> Result<Response<Body>, Problem> {
        let text = document_text(request)?;
        let key = idempotency_key(request)?;
        let now = self.sources.now();
        let event = NewEvent::parse(text, now)?;
        let recorded = Recorded { at: now.to_string(), by: origin.caller.clone(), from: origin.source_ip.clone() };

        let (message, status, id) = match key {
            Some(key) => self.record_with_key(key, &event, &recorded, &origin).await?,
            None => ("Event recorded", StatusCode::CREATED, self.record_new(&event, &recorded).await?),
        };

        let metric = if status == StatusCode::CREATED { Metric::EventsRecorded } else { Metric::EventsReplayed };
        self.sources.note(metric, 1.0, None);
        self.count_if_not_live(id, event, origin.deadline).await;

        #[derive(Serialize)]
        struct Form {
            message: &'static str,
            id: String,
        }
        let json = serde_json::to_string(&Form { message, id: id.to_string() })
            .map_err(|error| Problem::internal(error.to_string()))?;
        let location = HeaderValue::try_from(format!("{}/{id}", encode_path(&origin.path)))
            .map_err(|error| Problem::internal(error.to_string()))?;
        Ok(answer(status, [(header::LOCATION, location)], json))
    }

    /// Adds an event to the index that no list counts live until the stream delivers it: one that is late, or ahead.
    ///
    /// It is recorded whatever becomes of this, and so acknowledged within the request's time. If it cannot be added in
    /// time, the stream will add it, and until then totals lack it.
    async fn count_if_not_live(&self, id: EventId, event: NewEvent, deadline: Option<Timestamp>) {
        if !is_late_or_ahead(event.timestamp, self.sources.now()) {
            return;
        }
        let key = EventKey { id, user_id: event.user_id };
        let left = deadline.and_then(|deadline| self.sources.time_left(deadline));
        let time = left.map_or(INDEX_TIME, |left| INDEX_TIME.min(left.saturating_sub(ANSWER_TIME)));
        let cause = match tokio::time::timeout(time, self.indexer.add_now(&key)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {time:?}"),
        };
        self.sources.note(Metric::LateEventsUncounted, 1.0, None);
        tracing::warn!(%id, cause, "an event that is late or ahead is not counted until the stream has delivered it");
    }

    /// Records an event that is new, whatever the log holds.
    async fn record_new(&self, event: &NewEvent, recorded: &Recorded) -> Result<EventId, Problem> {
        for _ in 0..DRAWS_MAX {
            let id = self.draw_id(event)?;
            match self.log.append(id, event, recorded).await.map_err(unrecorded)? {
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
        origin: &Origin,
    ) -> Result<(&'static str, StatusCode, EventId), Problem> {
        let hash = KeyHash::new(origin.principal(), &event.src_service, key);
        for _ in 0..DRAWS_MAX {
            let id = self.draw_id(event)?;
            match self.log.append_with_key(&hash, id, event, recorded).await.map_err(unrecorded)? {
                AppendedWithKey::New => return Ok(("Event recorded", StatusCode::CREATED, id)),
                AppendedWithKey::Already(first) => return Ok(("Event already recorded", StatusCode::OK, first)),
                AppendedWithKey::Other { first, difference } => return Err(Problem::key_reused(first, &difference)),
                AppendedWithKey::IdTaken => {}
            }
        }
        Err(Problem::internal(ALL_TAKEN))
    }

    fn draw_id(&self, event: &NewEvent) -> Result<EventId, Problem> {
        let random = self.sources.random().map_err(|error| Problem::internal(error.to_string()))?;
        Ok(EventId::new(event.timestamp, random, self.log.shards().get()))
    }
}

fn unrecorded(error: Error) -> Problem {
    Problem::from_log(Purpose::Record, &error)
}
