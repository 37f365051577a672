//! `POST /events`: records one event, or a batch.

mod batch;

use std::time::Duration;

use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::{Body, Request};
use serde::Serialize;

use crate::count::{Indexer, is_late_or_ahead};
use crate::deps::Deps;
use crate::effects::Effects;
use crate::event::{EventId, IdempotencyKey, NewEvent, Timestamp};
use crate::http::{
    Problem, Purpose, RequestContext, Submission, encode_path, json_response, serve, submission,
};
use crate::limits::{LATE_INDEX_RESERVE, LATE_INDEX_TIME};
use crate::store::{Appended, AppendedWithKey, Error, EventKey, EventStore, KeyHash, Recorded};
use crate::telemetry::Metric;
use crate::tree::{Entry, SALT_BYTES, Salt};

/// How often a new event draws an id before that counts as a fault. Two equal draws of 50 bits in
/// one nanosecond do not happen twice in a row.
const MAX_DRAWS: usize = 3;
/// The cause in the logs when they do.
const ALL_TAKEN: &str = "every id that was drawn was taken; the random numbers repeat";

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct CreateEvent {
    store: EventStore,
    indexer: Indexer,
    effects: Effects,
}

/// What became of a document, and the entry that its event has in the log.
enum Outcome {
    Recorded(Entry),
    Replayed(Entry),
}

/// An event that is recorded, by this request or before.
struct RecordedEvent {
    outcome: Outcome,
    timestamp: Timestamp,
    key: EventKey,
}

impl Outcome {
    fn entry(&self) -> &Entry {
        match self {
            Outcome::Recorded(entry) | Outcome::Replayed(entry) => entry,
        }
    }

    fn id(&self) -> EventId {
        self.entry().id
    }

    fn status(&self) -> StatusCode {
        match self {
            Outcome::Recorded(_) => StatusCode::CREATED,
            Outcome::Replayed(_) => StatusCode::OK,
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Outcome::Recorded(_) => "Event recorded",
            Outcome::Replayed(_) => "Event already recorded",
        }
    }

    fn metric(&self) -> Metric {
        match self {
            Outcome::Recorded(_) => Metric::EventsRecorded,
            Outcome::Replayed(_) => Metric::EventsReplayed,
        }
    }
}

impl CreateEvent {
    /// A handler that records in the store, and adds events that are late or ahead to the count
    /// index.
    pub fn new(deps: Deps) -> CreateEvent {
        CreateEvent {
            indexer: Indexer::new(deps.store.clone(), deps.counts),
            store: deps.store,
            effects: deps.effects,
        }
    }

    /// Handles a request. Every outcome is a response, an error too.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        serve(
            Purpose::Record,
            &self.effects,
            &request,
            |request, context| self.record(request, context),
        )
        .await
    }

    async fn record(
        &self,
        request: &Request,
        context: RequestContext,
    ) -> Result<Response<Body>, Problem> {
        match submission(request)? {
            Submission::Document { text, key } => {
                let recorded = self.record_document(&text, key.as_ref(), &context).await?;
                self.effects.count(recorded.outcome.metric());
                self.count_if_not_live([&recorded], context.deadline).await;
                respond(&recorded.outcome, &context)
            }
            Submission::Batch(elements) => self.record_batch(elements, &context).await,
        }
    }

    /// Checks and records one document.
    async fn record_document(
        &self,
        text: &str,
        key: Option<&IdempotencyKey>,
        context: &RequestContext,
    ) -> Result<RecordedEvent, Problem> {
        let now = self.effects.now();
        let event = NewEvent::parse(text, now)?;
        let recorded = Recorded {
            at: now.to_string(),
            by: context.caller.clone(),
            from: context.source_ip.clone(),
            salt: self.draw_salt()?,
        };
        let outcome = match key {
            Some(key) => {
                self.record_with_key(key, &event, &recorded, context)
                    .await?
            }
            None => self.record_new(&event, &recorded).await?,
        };
        Ok(RecordedEvent {
            timestamp: event.timestamp(),
            key: EventKey {
                id: outcome.id(),
                values: event.values(),
            },
            outcome,
        })
    }

    /// Adds those of these events that are late or ahead to the count index. Lists do not count such
    /// events on the table until the stream delivers them.
    ///
    /// The events are recorded whatever becomes of this, and so acknowledged within the request's
    /// time. If they cannot be added in time, the stream will add them, and until then totals lack
    /// them.
    async fn count_if_not_live<'a>(
        &self,
        recorded: impl IntoIterator<Item = &'a RecordedEvent>,
        deadline: Option<Timestamp>,
    ) {
        let now = self.effects.now();
        let keys: Vec<EventKey> = recorded
            .into_iter()
            .filter(|event| is_late_or_ahead(event.timestamp, now))
            .map(|event| event.key.clone())
            .collect();
        let Some(first) = keys.first() else {
            return;
        };

        let time = self.index_time(deadline);
        let added = tokio::time::timeout(time, self.indexer.add_now(&keys)).await;
        let cause = match added {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {time:?}"),
        };
        self.effects
            .count_many(Metric::LateEventsUncounted, keys.len());
        tracing::warn!(
            id = %first.id,
            events = keys.len(),
            cause,
            "events that are late or ahead are not counted until the stream delivers them"
        );
    }

    /// How long adding an event to the count index may take.
    fn index_time(&self, deadline: Option<Timestamp>) -> Duration {
        let left = deadline.and_then(|deadline| self.effects.time_left(deadline));
        match left {
            Some(left) => LATE_INDEX_TIME.min(left.saturating_sub(LATE_INDEX_RESERVE)),
            None => LATE_INDEX_TIME,
        }
    }

    /// Records an event that is new, whatever the store holds.
    async fn record_new(&self, event: &NewEvent, recorded: &Recorded) -> Result<Outcome, Problem> {
        for _ in 0..MAX_DRAWS {
            let id = self.draw_id(event)?;
            let appended = self.store.append(id, event, recorded).await;
            match appended.map_err(problem)? {
                Appended::Recorded(entry) => return Ok(Outcome::Recorded(entry)),
                Appended::IdTaken => {}
            }
        }
        Err(Problem::internal(ALL_TAKEN))
    }

    /// Records an event, unless its key recorded one before.
    async fn record_with_key(
        &self,
        key: &IdempotencyKey,
        event: &NewEvent,
        recorded: &Recorded,
        context: &RequestContext,
    ) -> Result<Outcome, Problem> {
        let hash = KeyHash::new(context.principal(), event.src_service().as_str(), key);
        for _ in 0..MAX_DRAWS {
            let id = self.draw_id(event)?;
            let appended = self.store.append_with_key(&hash, id, event, recorded).await;
            match appended.map_err(problem)? {
                AppendedWithKey::Recorded(entry) => return Ok(Outcome::Recorded(entry)),
                AppendedWithKey::Replayed(entry) => return Ok(Outcome::Replayed(entry)),
                AppendedWithKey::KeyReused { first, difference } => {
                    return Err(Problem::key_reused(first, &difference));
                }
                AppendedWithKey::IdTaken => {}
            }
        }
        Err(Problem::internal(ALL_TAKEN))
    }

    fn draw_id(&self, event: &NewEvent) -> Result<EventId, Problem> {
        let random = self.random()?;
        let shards = self.store.shards().get();
        Ok(EventId::new(event.timestamp(), random, shards))
    }

    fn draw_salt(&self) -> Result<Salt, Problem> {
        let mut random = [0; SALT_BYTES];
        for chunk in random.chunks_exact_mut(size_of::<u64>()) {
            chunk.copy_from_slice(&self.random()?.to_be_bytes());
        }
        Ok(Salt::new(random))
    }

    fn random(&self) -> Result<u64, Problem> {
        let random = self.effects.random();
        random.map_err(|error| Problem::internal(error.to_string()))
    }
}

fn respond(outcome: &Outcome, context: &RequestContext) -> Result<Response<Body>, Problem> {
    #[derive(Serialize)]
    struct Form {
        message: &'static str,
        id: String,
        leaf: String,
    }
    let id = outcome.id();
    let form = Form {
        message: outcome.message(),
        id: id.to_string(),
        leaf: outcome.entry().leaf().to_string(),
    };
    let json =
        serde_json::to_string(&form).map_err(|error| Problem::internal(error.to_string()))?;
    let location = format!("{}/{id}", encode_path(&context.path));
    let location =
        HeaderValue::try_from(location).map_err(|error| Problem::internal(error.to_string()))?;
    let headers = [(header::LOCATION, location)];
    Ok(json_response(outcome.status(), headers, json))
}

fn problem(error: Error) -> Problem {
    Problem::from_store(Purpose::Record, &error)
}
