//! The stream of the events table: adds each new event to the count index.

use serde::Deserialize;

use crate::count::{FacetNotes, Indexer};
use crate::deps::Deps;
use crate::effects::Effects;
use crate::event::{EventId, Field, FieldValue, Timestamp};
use crate::limits::{BACKFILL_RESERVE, BACKFILL_TIME, FACETS_TIME};
use crate::store::{EventKey, Partition};
use crate::stream::{Batch, Record, Text, gauge_lag, log_batch};
use crate::telemetry::Metric;

pub use crate::stream::{BatchFailure, BatchResponse};

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct IndexEvents {
    indexer: Indexer,
    facets: FacetNotes,
    effects: Effects,
}

/// A batch of a DynamoDB stream. The documents in the images are skipped.
pub type StreamBatch = Batch<Image>;

/// A new item, as far as it is read.
#[derive(Debug, Deserialize)]
pub struct Image {
    id: Option<Text>,
    user_id: Option<Text>,
    event_type: Option<Text>,
    src_service: Option<Text>,
}

impl IndexEvents {
    /// A handler that adds to the count index.
    pub fn new(deps: Deps) -> IndexEvents {
        IndexEvents {
            facets: FacetNotes::new(deps.counts.clone()),
            indexer: Indexer::new(deps.store, deps.counts),
            effects: deps.effects,
        }
    }

    /// Adds the events of a batch. `deadline` is when Lambda will stop the function.
    pub async fn handle(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let records = batch.records.len();
        let handling = self.index(batch, deadline);
        log_batch(&self.effects, "stream batch handled", records, handling).await
    }

    /// Adds the events of a batch to the count index, then continues the backfills.
    async fn index(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let oldest = batch.oldest_change();
        let mut sequence_numbers = Vec::new();
        let mut events = Vec::new();
        for record in batch.records {
            if let Some((sequence_number, event)) = new_event(record) {
                sequence_numbers.push(sequence_number);
                events.push(event);
            }
        }

        // Lambda would stop the function without a response. A redelivered batch is done sooner:
        // events that are in the count index already are only read.
        let adding = self.indexer.add(&events, self.effects.now());
        let Ok(added) = tokio::time::timeout(self.effects.batch_time_left(deadline), adding).await
        else {
            return self
                .redeliver_from(sequence_numbers.first(), "the time for this batch ran out");
        };
        let first_failure = added.failed.iter().min_by_key(|(position, _)| *position);
        if let Some((position, error)) = first_failure {
            return self.redeliver_from(sequence_numbers.get(*position), &error.to_string());
        }

        if let Some(oldest) = oldest {
            gauge_lag(&self.effects, Metric::IndexLag, oldest);
        }
        self.note_facets(&events, deadline).await;
        self.backfill(added.building, deadline).await;
        BatchResponse::from_failure(None)
    }

    /// Notes the values of the batch. They are suggestions only, so a failure does not fail the
    /// batch. The next batch with the same values notes them.
    async fn note_facets(&self, events: &[EventKey], deadline: Timestamp) {
        let noting = self.facets.note(self.facets.missing(events));
        let time = self.effects.batch_time_left(deadline).min(FACETS_TIME);
        let cause = match tokio::time::timeout(time, noting).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "DynamoDB took too long".to_owned(),
        };
        tracing::warn!(cause, "some values of a batch are not noted as facets");
    }

    /// Continues the backfills. The events of the batch are in the count index already, so a
    /// backfill that fails does not fail the batch. The next batch continues it.
    async fn backfill(&self, building: Vec<Partition>, deadline: Timestamp) {
        let now = self.effects.now();
        let spare = self
            .effects
            .batch_time_left(deadline)
            .saturating_sub(BACKFILL_RESERVE);
        let until = now.saturating_add(BACKFILL_TIME.min(spare));
        let has_time = || self.effects.now() < until;
        let backfill = self.indexer.backfill(building, now, has_time);
        let cause =
            match tokio::time::timeout(self.effects.batch_time_left(deadline), backfill).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the time for this batch ran out".to_owned(),
            };
        tracing::error!(cause, "a backfill stopped early");
    }

    /// Has a batch redelivered from the record with this sequence number on. A batch without events
    /// has none.
    fn redeliver_from(&self, sequence_number: Option<&String>, cause: &str) -> BatchResponse {
        self.effects.count(Metric::IndexBatchesFailed);
        tracing::error!(cause, "the stream batch failed and will be redelivered");
        BatchResponse::from_failure(sequence_number.map(String::as_str))
    }
}

/// The sequence number and the event of a record, or `None` for one that is not a new event.
fn new_event(record: Record<Image>) -> Option<(String, EventKey)> {
    if !record.is_insert() {
        return None;
    }
    let (sequence_number, image) = record.into_parts();
    match image.and_then(Image::event) {
        Some(event) => Some((sequence_number, event)),
        None => {
            tracing::error!(
                sequence_number,
                "an item of the events table is not an event; it is not counted"
            );
            None
        }
    }
}

impl Image {
    fn event(self) -> Option<EventKey> {
        let id = EventId::parse(&self.id?.text?)?;
        let fields = [
            (Field::UserId, self.user_id),
            (Field::EventType, self.event_type),
            (Field::SrcService, self.src_service),
        ];
        let mut values = Vec::new();
        for (field, attribute) in fields {
            // An event without a user has no such attribute.
            let Some(attribute) = attribute else { continue };
            values.push(FieldValue::new(field, &attribute.text?).ok()?);
        }
        Some(EventKey { id, values })
    }
}
