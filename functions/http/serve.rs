//! The frame around a handler: whatever happens inside, the caller gets a response, and the logs
//! get a line.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use lambda_http::http::{HeaderValue, Response, header};
use lambda_http::{Body, Request};

use super::gateway::Unreadable;
use super::{Problem, Purpose, RequestContext, encoding};
use crate::dynamodb::Usage;
use crate::effects::Effects;
use crate::limits::{DEFAULT_REQUEST_TIME, MAX_READ_TIME};

/// Handles `request` with `handle`. The response is the handler's own, or that of its [`Problem`],
/// of a panic, or of a timeout.
///
/// An error returned to the Lambda runtime would become API Gateway's bare 500, without our body,
/// so there is none. The response carries its [`Usage`] as an extension.
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
    let time = time_for(purpose, effects, &context);
    let line = Line::new(request, &context);
    let compressible = encoding::accepts_gzip(request);

    let handler = async {
        // What could not be read as a request never reaches the handler.
        if request.extensions().get::<Unreadable>().is_some() {
            return Err(Problem::unreadable());
        }
        handle(request, context).await
    };
    let handler = AssertUnwindSafe(handler).catch_unwind();
    let (outcome, usage) = Usage::of(tokio::time::timeout(time, handler)).await;
    let result = match outcome {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Problem::panicked(
            purpose,
            "the handler panicked; the logs have the place",
        )),
        Err(_) => Err(Problem::timed_out(
            purpose,
            "the time for this request ran out",
        )),
    };

    let problem = result.as_ref().err().cloned();
    let mut response = match result {
        Ok(response) => response,
        Err(problem) => problem.response(&line.request_id),
    };
    let vary = HeaderValue::from_static(varies_by(purpose));
    response.headers_mut().insert(header::VARY, vary);
    encoding::compress(compressible, &mut response);
    let duration = effects.now().since(started);
    line.write(&response, problem.as_ref(), usage, duration);
    if let Some(problem) = problem {
        let code = problem.code().as_str();
        effects.metrics().refused(effects.now(), code);
    }
    response.extensions_mut().insert(usage);
    response
}

/// The headers of a request that the form of its response depends on.
fn varies_by(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Read => "accept, accept-encoding",
        Purpose::Record => "accept-encoding",
    }
}

/// How long the handler may take.
fn time_for(purpose: Purpose, effects: &Effects, context: &RequestContext) -> Duration {
    let left = match context.deadline {
        Some(deadline) => effects.time_left(deadline),
        None => None,
    };
    let left = left.unwrap_or(DEFAULT_REQUEST_TIME);
    match purpose {
        Purpose::Record => left,
        Purpose::Read => left.min(MAX_READ_TIME),
    }
}

/// The log line of a request, as far as it is known before the request is handled.
struct Line {
    request_id: String,
    method: String,
    route: &'static str,
    bytes_in: usize,
}

impl Line {
    fn new(request: &Request, context: &RequestContext) -> Line {
        Line {
            request_id: context.request_id.clone(),
            method: request.method().to_string(),
            route: context.route.as_str(),
            bytes_in: request.body().len(),
        }
    }

    fn write(
        &self,
        response: &Response<Body>,
        problem: Option<&Problem>,
        usage: Usage,
        duration: Duration,
    ) {
        let code = problem.map(|problem| problem.code().as_str());
        tracing::info!(
            request_id = self.request_id,
            method = self.method,
            route = self.route,
            status = response.status().as_u16(),
            duration_ms = duration.as_secs_f64() * 1000.0,
            bytes_in = self.bytes_in,
            bytes_out = response.body().len(),
            dynamodb_calls = usage.calls,
            dynamodb_rounds = usage.rounds,
            dynamodb_read_units = usage.read.total(),
            dynamodb_write_units = usage.written.total(),
            code,
            "request handled"
        );
        if let Some(cause) = problem.and_then(Problem::cause) {
            tracing::error!(request_id = self.request_id, code, cause, "request failed");
        }
    }
}
