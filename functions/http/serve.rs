//! The frame around a handler: whatever happens inside, the caller gets an answer, and the log a line.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use lambda_http::http::Response;
use lambda_http::{Body, Request};

use super::gateway::Unreadable;
use super::{Origin, Problem, Purpose};
use crate::boot::{Metric, Sources, Usage};

/// The time for a request that comes without a deadline.
const TIME_DEFAULT: Duration = Duration::from_secs(10);
/// The time for a request that reads. Where DynamoDB is slow, lists give up before they hold many functions at once, which
/// those that record need.
const READ_TIME_MAX: Duration = Duration::from_secs(5);

/// Answers `request` with `handle`: its answer, or that of its [`Problem`], of a panic, or of the time running out.
///
/// An error returned to the Lambda runtime would become API Gateway's bare 500, without our body; so there is none.
/// The answer carries its [`Usage`] as an extension.
pub async fn serve<'a, F>(
    purpose: Purpose,
    sources: &'a Sources,
    request: &'a Request,
    handle: impl FnOnce(&'a Request, Origin) -> F,
) -> Response<Body>
where
    F: Future<Output = Result<Response<Body>, Problem>> + 'a,
{
    let started = sources.now();
    let origin = Origin::of(request);
    let request_id = origin.request_id.clone();
    let route = if origin.id.is_some() { "/events/{id}" } else { "/events" };
    let time_left = origin.deadline.and_then(|deadline| sources.time_left(deadline)).unwrap_or(TIME_DEFAULT);
    let time = match purpose {
        Purpose::Record => time_left,
        Purpose::Read => time_left.min(READ_TIME_MAX),
    };

    let handled = AssertUnwindSafe(async {
        match request.extensions().get::<Unreadable>() {
            Some(Unreadable) => Err(Problem::unreadable()),
            None => handle(request, origin).await,
        }
    })
    .catch_unwind();
    let (outcome, usage) = Usage::of(tokio::time::timeout(time, handled)).await;
    let result = match outcome {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Problem::broken_off(purpose, "the handler panicked; the log has the place")),
        Err(_) => Err(Problem::unanswered(purpose, "the time for this request ran out")),
    };

    let (mut answer, problem) = match result {
        Ok(answer) => (answer, None),
        Err(problem) => (problem.answer(&request_id), Some(problem)),
    };
    let code = problem.as_ref().map(Problem::code);
    let duration_ms = sources.now().since(started).as_secs_f64() * 1000.0;
    tracing::info!(
        request_id,
        method = request.method().as_str(),
        route,
        status = answer.status().as_u16(),
        duration_ms,
        bytes_in = request.body().len(),
        bytes_out = answer.body().len(),
        dynamodb_calls = usage.calls,
        dynamodb_rounds = usage.rounds,
        dynamodb_read_units = usage.read.total(),
        dynamodb_write_units = usage.written.total(),
        code,
        "answered"
    );
    if let Some(code) = code {
        sources.note(Metric::RequestsRefused, 1.0, Some(code));
    }
    if let Some(inside) = problem.as_ref().and_then(Problem::inside) {
        tracing::error!(request_id, code, cause = inside, "failed");
    }
    answer.extensions_mut().insert(usage);
    answer
}
