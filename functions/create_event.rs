//! `POST /events`: records one event.

use std::time::Duration;

use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::{Body, Request};
use serde::Serialize;

use crate::boot::{Metric, Sources};
use crate::count::{CountsTable, Indexer, LATE};
use crate::event::{EventId, NewEvent, Tail, Timestamp};
use crate::http::{Origin, Problem, Purpose, answer, document_text, encode_path, idempotency_key, serve};
use crate::log::{Appended, EventKey, EventLog, Recorded};

/// How often a new event draws an id before that counts as a fault: two equal 50-bit tails in one nanosecond do
/// not happen twice in a row.
const DRAWS_MAX: usize = 3;

/// How long a late event may take to be added to the index: together with the put's own time (functions/boot) less
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
    /// A handler that records in `log`, and adds late events to the index in `counts`.
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
        let recorded = Recorded { at: now.to_string(), by: origin.caller, from: origin.source_ip };

        let (message, status, id) = match key {
            Some(key) => {
                let id = self.id(&event, Tail::from_idempotency_key(key, &event.src_service));
                match self.append(id, &event, &recorded).await? {
                    Appended::New => ("Event recorded", StatusCode::CREATED, id),
                    Appended::Already => ("Event already recorded", StatusCode::OK, id),
                    Appended::Other => return Err(Problem::key_reused()),
                }
            }
            None => ("Event recorded", StatusCode::CREATED, self.append_new(&event, &recorded).await?),
        };

        let metric = if status == StatusCode::CREATED { Metric::EventsRecorded } else { Metric::EventsReplayed };
        self.sources.note(metric, 1.0, None);
        self.count_if_late(id, event, origin.deadline).await;

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

    /// Adds an event to the index that happened too long ago to be counted live until the stream delivers it.
    ///
    /// It is recorded whatever becomes of this, and so acknowledged within the request's time: if it cannot be added in
    /// time, the stream will add it, and until then totals lack it.
    async fn count_if_late(&self, id: EventId, event: NewEvent, deadline: Option<Timestamp>) {
        if event.timestamp.plus(LATE) >= self.sources.now() {
            return;
        }
        let key = EventKey { id, user_id: event.user_id };
        let left = deadline.and_then(|deadline| self.sources.time_left(deadline));
        let time = left.map_or(INDEX_TIME, |left| INDEX_TIME.min(left.saturating_sub(ANSWER_TIME)));
        let cause = match tokio::time::timeout(time, self.indexer.add_late(&key)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {time:?}"),
        };
        self.sources.note(Metric::LateEventsUncounted, 1.0, None);
        tracing::warn!(%id, cause, "a late event is counted only once the stream delivers it");
    }

    /// Records an event that is new whatever the log holds. An id that is taken by the same document was taken by
    /// this very request: the SDK repeats a put whose answer was lost.
    async fn append_new(&self, event: &NewEvent, recorded: &Recorded) -> Result<EventId, Problem> {
        for _ in 0..DRAWS_MAX {
            let bits = self.sources.random().map_err(|error| Problem::internal(error.to_string()))?;
            let id = self.id(event, Tail::random(bits));
            if self.append(id, event, recorded).await? != Appended::Other {
                return Ok(id);
            }
        }
        Err(Problem::internal(format!("{DRAWS_MAX} random ids were all taken")))
    }

    fn id(&self, event: &NewEvent, tail: Tail) -> EventId {
        EventId::new(event.timestamp, tail, self.log.shards().at(event.timestamp))
    }

    async fn append(&self, id: EventId, event: &NewEvent, recorded: &Recorded) -> Result<Appended, Problem> {
        let appended = self.log.append(id, event, recorded).await;
        appended.map_err(|error| Problem::from_log(Purpose::Record, &error))
    }
}
