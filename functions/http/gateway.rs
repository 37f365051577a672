//! The two ends of a function: a payload of API Gateway becomes a request, and a response becomes a
//! payload.
//!
//! lambda_http reads the payloads, 2.0 and 1.0, and fails on some. It returns an error for a member
//! of another type. It panics on a body that is not base64, a space in the query string, an invalid
//! Host, and more headers than a map can have. Left to the Lambda runtime, an error would become
//! API Gateway's bare 500, and a panic would end the process. Here each becomes a request that
//! cannot be read, and gets a response as any other request does.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::{HeaderMap, Response};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Context, LambdaEvent, Request, RequestExt};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The payload of an invocation: a request from API Gateway, or JSON that cannot be read as one.
#[derive(Debug)]
pub struct Payload(Option<LambdaRequest>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        // The complete value is read before anything looks into it. So nothing is left unread where
        // that fails or panics.
        let Ok(json) = Box::<RawValue>::deserialize(deserializer) else {
            return Ok(Payload(None));
        };
        Ok(Payload(catch(|| parse(json.get())).flatten()))
    }
}

/// The request of a payload. LambdaRequest tries payload 1.0 first, which reads the body of a payload
/// 2.0 in vain. So it is read as 2.0 first, and its version is checked afterwards. A payload 1.0 has no
/// `requestContext.http`, so that reading it as 2.0 ends there.
fn parse(json: &str) -> Option<LambdaRequest> {
    if let Ok(payload) = serde_json::from_str::<ApiGatewayV2httpRequest>(json)
        && payload.version.as_deref() == Some("2.0")
    {
        return Some(LambdaRequest::ApiGatewayV2(payload));
    }
    serde_json::from_str(json).ok()
}

/// Marks the request that stands for one that could not be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreadable;

impl Payload {
    fn request(self, context: Context) -> Request {
        let readable = self.0.and_then(|payload| catch(|| read(payload)));
        let request = readable.unwrap_or_else(|| {
            let mut request = Request::default();
            request.extensions_mut().insert(Unreadable);
            request
        });
        request.with_lambda_context(context)
    }
}

/// The request of a payload, with every value of a header that came several times.
///
/// A REST API passes such a header on twice: with all values, and with the last. lambda_http keeps
/// the last.
fn read(payload: LambdaRequest) -> Request {
    let all_values = match &payload {
        LambdaRequest::ApiGatewayV1(rest) => rest.multi_value_headers.clone(),
        _ => HeaderMap::new(),
    };
    let mut request = Request::from(payload);
    request.headers_mut().extend(all_values);
    request
}

/// The result of `read`, or `None` if it panics.
fn catch<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

/// A response in the form that HTTP APIs and REST APIs accept:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    #[serde(serialize_with = "as_object")]
    headers: HeaderMap,
    body: Body,
    is_base64_encoded: bool,
    /// Always empty, because the service sets no cookies. The form of HTTP APIs and `cargo lambda
    /// watch` need the member, and the form of REST APIs does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<String>>,
}

impl GatewayResponse {
    fn new(response: Response<Body>, cookies: Option<Vec<String>>) -> GatewayResponse {
        let (parts, body) = response.into_parts();
        GatewayResponse {
            status_code: parts.status.as_u16(),
            headers: parts.headers,
            is_base64_encoded: matches!(body, Body::Binary(_)),
            body,
            cookies,
        }
    }
}

/// Writes the headers as an object of strings. No header of a response is repeated, and all are ASCII.
fn as_object<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(headers.len()))?;
    for (name, value) in headers {
        object.serialize_entry(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    object.end()
}

/// Handles one invocation with `handle`.
pub async fn invoke<F>(
    event: LambdaEvent<Payload>,
    handle: impl FnOnce(Request) -> F,
) -> GatewayResponse
where
    F: Future<Output = Response<Body>>,
{
    let cookies = match event.payload.0 {
        Some(LambdaRequest::ApiGatewayV2(_)) => Some(Vec::new()),
        _ => None,
    };
    let request = event.payload.request(event.context);
    GatewayResponse::new(handle(request).await, cookies)
}

/// Handles one invocation after another with `handle`, as long as Lambda keeps the process.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_as_the_version_that_it_names() {
        let http = r#"{"version":"2.0","rawPath":"/events","rawQueryString":"","headers":{},
            "requestContext":{"http":{"method":"GET","path":"/events"}},"isBase64Encoded":false}"#;
        let rest = r#"{"version":"1.0","path":"/events","httpMethod":"GET","headers":{},
            "multiValueHeaders":{},"requestContext":{"httpMethod":"GET"},"isBase64Encoded":false}"#;
        assert!(matches!(parse(http), Some(LambdaRequest::ApiGatewayV2(_))));
        assert!(matches!(parse(rest), Some(LambdaRequest::ApiGatewayV1(_))));
        // REST APIs leave the version out.
        let unnamed = rest.replace(r#""version":"1.0","#, "");
        let read = parse(&unnamed);
        assert!(matches!(read, Some(LambdaRequest::ApiGatewayV1(_))));
        assert!(parse("{}").is_none());
    }
}
