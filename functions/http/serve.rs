//! The frame around a handler: whatever happens inside, the caller gets an answer, and the log a line.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use lambda_http::http::Response;
use lambda_http::{Body, Request};

use super::gateway::Unreadable;
use super::{Problem, Purpose, RequestContext};
use crate::dynamodb::Usage;
use crate::effects::Effects;
use crate::telemetry::Metric;

/// The time for a request that comes without a deadline.
const DEFAULT_TIME: Duration = Duration::from_secs(10);
/// The time for a request that reads. Where DynamoDB is slow, lists give up before they hold many functions at once, which
/// those that record need.
const MAX_READ_TIME: Duration = Duration::from_secs(5);

/// Answers `request` with `handle`: its answer, or that of its [`Problem`], of a panic, or of the time running out.
///
/// An error returned to the Lambda runtime would become API Gateway's bare 500, without our body; so there is none.
/// The answer carries its [`Usage`] as an extension.
pub async fn serve<'a, F>(
    purpose: Purpose,
    effects: &'a Effects,
    request: &'a Request,
    handle: impl FnOnce(&'a Request, RequestContext) -> F,
) -> Response<Body>
where
    F: Future<Output = Result<Response<Body>, Problem>> + 'a,
{
    let started = effects.now();
    let context = RequestContext::of(request);
    let request_id = context.request_id.clone();
    let route = if context.id.is_some() { "/events/{id}" } else { "/events" };
    let time_left = context.deadline.and_then(|deadline| effects.time_left(deadline)).unwrap_or(DEFAULT_TIME);
    let time = match purpose {
        Purpose::Record => time_left,
        Purpose::Read => time_left.min(MAX_READ_TIME),
    };

    let handled = AssertUnwindSafe(async {
        match request.extensions().get::<Unreadable>() {
            Some(Unreadable) => Err(Problem::unreadable()),
            None => handle(request, context).await,
        }
    })
    .catch_unwind();
    let (outcome, usage) = Usage::of(tokio::time::timeout(time, handled)).await;
    let result = match outcome {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Problem::panicked(purpose, "the handler panicked; the log has the place")),
        Err(_) => Err(Problem::unanswered(purpose, "the time for this request ran out")),
    };

    let (mut response, problem) = match result {
        Ok(response) => (response, None),
        Err(problem) => (problem.response(&request_id), Some(problem)),
    };
    let code = problem.as_ref().map(Problem::code);
    let duration_ms = effects.now().since(started).as_secs_f64() * 1000.0;
    tracing::info!(
        request_id,
        method = request.method().as_str(),
        route,
        status = response.status().as_u16(),
        duration_ms,
        bytes_in = request.body().len(),
        bytes_out = response.body().len(),
        dynamodb_calls = usage.calls,
        dynamodb_rounds = usage.rounds,
        dynamodb_read_units = usage.read.total(),
        dynamodb_write_units = usage.written.total(),
        code,
        "answered"
    );
    if let Some(code) = code {
        effects.note(Metric::RequestsRefused, 1.0, Some(code));
    }
    if let Some(cause) = problem.as_ref().and_then(Problem::cause) {
        tracing::error!(request_id, code, cause, "failed");
    }
    response.extensions_mut().insert(usage);
    response
}
