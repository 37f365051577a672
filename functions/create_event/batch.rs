//! A batch: up to 100 events in one request, each with a result of its own.

use std::time::Duration;

use futures_util::stream::{StreamExt, iter};
use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

use super::{CreateEvent, RecordedEvent};
use crate::event::{FieldProblem, Timestamp};
use crate::http::{Element, Problem, Purpose, RequestContext, json_response};
use crate::limits::{DEFAULT_REQUEST_TIME, LATE_INDEX_RESERVE, OPERATION_TIMEOUT};
use crate::telemetry::Metric;

/// How many events of a batch are recorded at a time. Each takes a connection of its own.
const RECORDED_AT_ONCE: usize = 16;

type ItemOutcome = Result<RecordedEvent, Problem>;

/// The result of one element: what a request with this element alone would have got.
#[derive(Serialize)]
struct ItemResult<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [FieldProblem],
}

impl<'a> ItemResult<'a> {
    fn of(outcome: &'a ItemOutcome) -> ItemResult<'a> {
        match outcome {
            Ok(recorded) => ItemResult {
                status: recorded.outcome.status().as_u16(),
                id: Some(recorded.outcome.id().to_string()),
                leaf: Some(recorded.outcome.entry().leaf().to_string()),
                code: None,
                error: None,
                fields: &[],
            },
            Err(problem) => ItemResult {
                status: problem.status().as_u16(),
                id: None,
                leaf: None,
                code: Some(problem.code().as_str()),
                error: Some(problem.message()),
                fields: problem.fields(),
            },
        }
    }
}

impl CreateEvent {
    /// Records the elements of a batch. Each has its own result, whatever becomes of the others.
    pub(super) async fn record_batch(
        &self,
        elements: Vec<Result<Element, Problem>>,
        context: &RequestContext,
    ) -> Result<Response<Body>, Problem> {
        // There is time for one event at least, or the batch is refused as a whole.
        if self.item_time(context.deadline).is_none() {
            return Err(not_tried());
        }
        let mut recordings = Vec::new();
        for element in elements {
            recordings.push(self.record_element(element, context));
        }
        let outcomes: Vec<ItemOutcome> =
            iter(recordings).buffered(RECORDED_AT_ONCE).collect().await;

        let recorded: Vec<&RecordedEvent> = outcomes.iter().flatten().collect();
        for metric in [Metric::EventsRecorded, Metric::EventsReplayed] {
            let events = recorded
                .iter()
                .filter(|event| event.outcome.metric() == metric);
            self.effects.count_many(metric, events.count());
        }
        self.report_refused(&outcomes, context);
        let count = recorded.len();
        self.count_if_not_live(recorded, context.deadline).await;
        respond(count, &outcomes)
    }

    async fn record_element(
        &self,
        element: Result<Element, Problem>,
        context: &RequestContext,
    ) -> ItemOutcome {
        let Element { text, key } = element?;
        let time = self.item_time(context.deadline).ok_or_else(not_tried)?;
        let record = self.record_document(&text, key.as_ref(), context);
        match tokio::time::timeout(time, record).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let cause = "the time for this request ran out";
                Err(Problem::timed_out(Purpose::Record, cause))
            }
        }
    }

    /// How long an event that is recorded now may take. `None` if there is not enough time for one
    /// operation of DynamoDB, so that its outcome could be unknown.
    fn item_time(&self, deadline: Option<Timestamp>) -> Option<Duration> {
        let left = deadline.and_then(|deadline| self.effects.time_left(deadline));
        let left = left.unwrap_or(DEFAULT_REQUEST_TIME);
        let time = left.saturating_sub(LATE_INDEX_RESERVE);
        (time >= OPERATION_TIMEOUT).then_some(time)
    }

    /// Logs and counts the errors of a batch, as those of requests are.
    fn report_refused(&self, outcomes: &[ItemOutcome], context: &RequestContext) {
        for (position, outcome) in outcomes.iter().enumerate() {
            let Err(problem) = outcome else { continue };
            let code = problem.code().as_str();
            self.effects.metrics().refused(self.effects.now(), code);
            if let Some(cause) = problem.cause() {
                let request_id = &context.request_id;
                tracing::error!(request_id, position, code, cause, "event of a batch failed");
            }
        }
    }
}

/// The event was not sent to DynamoDB.
fn not_tried() -> Problem {
    Problem::not_tried("the time for this request ran out before this event")
}

fn respond(recorded: usize, outcomes: &[ItemOutcome]) -> Result<Response<Body>, Problem> {
    #[derive(Serialize)]
    struct Form<'a> {
        recorded: usize,
        results: Vec<ItemResult<'a>>,
    }
    let form = Form {
        recorded,
        results: outcomes.iter().map(ItemResult::of).collect(),
    };
    let json =
        serde_json::to_string(&form).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(json_response(StatusCode::OK, None, json))
}
