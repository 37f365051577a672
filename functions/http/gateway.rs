//! A function's way in and out: what API Gateway sends becomes a request, an answer becomes what
//! API Gateway takes.
//!
//! lambda_http reads the payloads, 2.0 and 1.0. On some it gives up: it fails on a member of
//! another type, and panics on a body that is not base64, a space in the query string, a Host that
//! is none, more headers than a map can have. Left to the Lambda runtime, the first would be API
//! Gateway's bare 500, and the last the end of the process. Here each is a request that cannot be
//! read, which the handler's frame answers as it answers all else.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lambda_http::http::Response;
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Context, LambdaEvent, Request, RequestExt};
use serde::{Deserialize, Deserializer, Serialize};

/// What an invocation brings: a request from API Gateway, or JSON that cannot be read as one.
#[derive(Debug)]
pub struct Payload(Option<LambdaRequest>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        // It takes a whole value before it looks into it: where it fails or panics, nothing is left
        // unread.
        Ok(Payload(
            caught(|| LambdaRequest::deserialize(deserializer).ok()).flatten(),
        ))
    }
}

/// Marks the request that stands for one that could not be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreadable;

impl Payload {
    fn request(self, context: Context) -> Request {
        let read = self.0.and_then(|payload| caught(|| Request::from(payload)));
        let request = read.unwrap_or_else(|| {
            let mut request = Request::default();
            request.extensions_mut().insert(Unreadable);
            request
        });
        request.with_lambda_context(context)
    }
}

fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

/// An answer in the form that HTTP APIs and REST APIs take:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: Body,
    is_base64_encoded: bool,
    /// None are set. The form of HTTP APIs has the member, and `cargo lambda watch` wants it; that
    /// of REST APIs has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<[String; 0]>,
}

impl GatewayResponse {
    fn new(response: Response<Body>, cookies: Option<[String; 0]>) -> GatewayResponse {
        let (parts, body) = response.into_parts();
        // No header of ours comes twice, and all are ASCII.
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        GatewayResponse {
            status_code: parts.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            is_base64_encoded: matches!(body, Body::Binary(_)),
            body,
            cookies,
        }
    }
}

/// Answers one invocation with `handle`.
pub async fn invoke<F>(
    event: LambdaEvent<Payload>,
    handle: impl FnOnce(Request) -> F,
) -> GatewayResponse
where
    F: Future<Output = Response<Body>>,
{
    let cookies =
        matches!(event.payload, Payload(Some(LambdaRequest::ApiGatewayV2(_)))).then_some([]);
    GatewayResponse::new(handle(event.payload.request(event.context)).await, cookies)
}

/// Answers one invocation after the other with `handle`, as long as Lambda keeps the process.
///
/// # Errors
///
/// When Lambda's Runtime API cannot be reached.
pub async fn run<F>(handle: impl Fn(Request) -> F) -> Result<(), lambda_runtime::Error>
where
    F: Future<Output = Response<Body>>,
{
    let handle = &handle;
    let response = |event| async move { Ok::<_, Infallible>(invoke(event, handle).await) };
    lambda_runtime::run(lambda_runtime::service_fn(response)).await
}
