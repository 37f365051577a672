//! A local replacement for an HTTP API of API Gateway. It passes a request to a function as a
//! payload in format 2.0, and returns the function's response.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use audit_log::effects::Effects;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cors;
use super::functions::{Function, InvokeError};
use super::template::{Cors, Route};
use crate::viewer::Page;

/// The largest request that API Gateway accepts, 10 MB:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// How much of a larger request is read before it is refused. Many clients look for the response
/// only after they have sent everything. A connection that is closed before is an error to them.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The routes of the API and the functions behind them.
pub struct Gateway {
    routes: Vec<(Route, Function)>,
    cors: Option<Cors>,
    page: Page,
}

impl Gateway {
    /// A gateway with these routes, with what web pages may do, and with the page of the log, which
    /// API Gateway does not have.
    pub fn new(routes: Vec<(Route, Function)>, cors: Option<Cors>, page: Page) -> Gateway {
        Gateway { routes, cors, page }
    }

    /// The web application. It must be served with the caller's address as [`ConnectInfo`].
    pub fn app(self) -> axum::Router {
        axum::Router::new()
            .fallback(respond)
            .with_state(Arc::new(self))
    }

    /// The route that a request matches. A route without a parameter comes before one with a
    /// parameter, as in API Gateway:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>.
    fn route(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let of_method = self
            .routes
            .iter()
            .filter(|(route, _)| route.method == method);
        let matched = of_method.filter_map(|(route, function)| {
            Some(Matched {
                route,
                function,
                parameters: match_path(&route.path, path)?,
            })
        });
        matched.min_by_key(|matched| matched.parameters.len())
    }
}

/// A route that a request matches.
struct Matched<'a> {
    route: &'a Route,
    function: &'a Function,
    /// The parameters in the path.
    parameters: BTreeMap<String, String>,
}

/// How a greedy parameter ends. It takes the rest of the path: `/log/{path+}`.
const GREEDY_END: &str = "+}";

/// The parameters with which `path` is an instance of `pattern`, such as `/events/{id}`.
fn match_path(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let is_greedy = pattern.ends_with(GREEDY_END);
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = match is_greedy {
        true => path.splitn(pattern.len(), '/').collect(),
        false => path.split('/').collect(),
    };
    if pattern.len() != path.len() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (expected, found) in pattern.into_iter().zip(path) {
        let name = expected
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(_) if found.is_empty() => return None,
            Some(name) => {
                let name = name.strip_suffix('+').unwrap_or(name);
                let value = percent_decode_str(found).decode_utf8_lossy().into_owned();
                parameters.insert(name.to_owned(), value);
            }
            None if expected != found => return None,
            None => {}
        }
    }
    Some(parameters)
}

async fn respond(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET
        && let Some(response) = gateway.page.response(parts.uri.path())
    {
        return response;
    }
    let Some(cors) = &gateway.cors else {
        return routed(&gateway, client, &parts, body).await;
    };
    if parts.method == Method::OPTIONS {
        return cors::preflight(cors, &parts.headers);
    }
    let mut response = routed(&gateway, client, &parts, body).await;
    cors::expose(cors, &parts.headers, response.headers_mut());
    response
}

/// The response of the function that a route leads to.
async fn routed(
    gateway: &Gateway,
    client: SocketAddr,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    let body = match read(body).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            return own_response(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        Err(_) => return own_response(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    let Some(matched) = gateway.route(parts.method.as_str(), parts.uri.path()) else {
        return own_response(StatusCode::NOT_FOUND, "Not Found");
    };
    let payload = payload(parts, &body, client, &matched).to_string();
    let returned = matched.function.invoke(payload).await;
    match returned.and_then(|returned| http_response(&returned)) {
        Ok(response) => response,
        Err(InvokeError::PayloadTooLarge) => {
            own_response(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Err(error) => {
            tracing::error!(%error, "the invocation failed");
            own_response(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// The body of a request, or `None` if it is too large.
async fn read(body: Body) -> Result<Option<Bytes>, axum::Error> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut received = 0;
    while let Some(part) = stream.next().await {
        let part = part?;
        received += part.len();
        if received > MAX_DISCARDED_BYTES {
            break;
        }
        if received <= MAX_REQUEST_BYTES {
            kept.extend_from_slice(&part);
        }
    }
    Ok((received <= MAX_REQUEST_BYTES).then(|| kept.into()))
}

/// A response that API Gateway gives by itself, without a function.
fn own_response(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The payload of a request, in format 2.0.
fn payload(parts: &Parts, body: &Bytes, client: SocketAddr, matched: &Matched<'_>) -> Value {
    let method = parts.method.as_str();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let route_key = format!("{} {}", matched.route.method, matched.route.path);
    let mut headers = joined_headers(&parts.headers);
    headers.insert("x-forwarded-for".to_owned(), client.ip().to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    let host = headers
        .get(header::HOST.as_str())
        .cloned()
        .unwrap_or_else(|| "localhost".to_owned());

    let mut payload = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": client.ip().to_string(),
                "userAgent": headers.get(header::USER_AGENT.as_str()),
            },
            "requestId": Uuid::new_v4().to_string(),
            "routeKey": route_key,
            "stage": "$default",
            "timeEpoch": Effects::system().now().millis(),
        },
        "isBase64Encoded": false,
    });
    if !matched.parameters.is_empty() {
        payload["pathParameters"] = json!(matched.parameters);
    }
    if body.is_empty() {
        return payload;
    }
    if is_text(&parts.headers) {
        // Like API Gateway, this replaces bytes that are not UTF-8.
        payload["body"] = json!(String::from_utf8_lossy(body));
    } else {
        payload["body"] = json!(BASE64.encode(body));
        payload["isBase64Encoded"] = json!(true);
    }
    payload
}

/// The headers with lower-case names. The values of a repeated header are joined by commas.
fn joined_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        joined.insert(name.as_str().to_owned(), values.join(","));
    }
    joined
}

/// The content types whose bodies API Gateway passes on as text, apart from `text/*`.
const TEXT_TYPES: [&str; 3] = [
    "application/json",
    "application/javascript",
    "application/xml",
];

/// Whether API Gateway passes a body of this type on as text. It encodes a body of any other type,
/// and a body without a type.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence.starts_with("text/") || TEXT_TYPES.contains(&essence.as_str())
}

/// The response of a function, in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The HTTP response that a function's response stands for.
fn http_response(returned: &str) -> Result<Response<Body>, InvokeError> {
    let failed = |error: &dyn std::fmt::Display| {
        InvokeError::Failed(format!("its response is not usable: {error}"))
    };
    let function: FunctionResponse =
        serde_json::from_str(returned).map_err(|error| failed(&error))?;
    let text = function.body.unwrap_or_default();
    let body = if function.is_base64_encoded {
        BASE64.decode(text).map_err(|error| failed(&error))?
    } else {
        text.into_bytes()
    };
    let mut response = Response::builder().status(function.status_code);
    for (name, value) in function.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(body))
        .map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_segment_by_segment() {
        let id = |value: &str| Some(BTreeMap::from([("id".to_owned(), value.to_owned())]));
        assert_eq!(match_path("/events", "/events"), Some(BTreeMap::new()));
        assert_eq!(match_path("/events/{id}", "/events/a%20b"), id("a b"));
        for path in ["/events/", "/events/a/b", "/event/a", "/events/a/"] {
            assert_eq!(match_path("/events/{id}", path), None, "{path}");
        }
    }

    #[test]
    fn a_greedy_parameter_takes_the_rest_of_a_path() {
        let rest = |value: &str| Some(BTreeMap::from([("path".to_owned(), value.to_owned())]));
        for (path, value) in [
            ("/log/checkpoint", "checkpoint"),
            ("/log/tile/entries/000.p/1", "tile/entries/000.p/1"),
            ("/log/tile//0", "tile//0"),
            ("/log/a%2Fb", "a/b"),
        ] {
            assert_eq!(match_path("/log/{path+}", path), rest(value), "{path}");
        }
        for path in ["/log", "/log/", "/logs/a", "/events/log/a"] {
            assert_eq!(match_path("/log/{path+}", path), None, "{path}");
        }
    }
}
