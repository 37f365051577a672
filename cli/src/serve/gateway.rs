//! An HTTP API of API Gateway, as far as the service can tell: HTTP in, an event in payload format
//! 2.0 to the function, its answer back.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::SocketAddr;

use audit_log::effects::Effects;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::functions::{Function, InvokeError};
use super::template::Route;

/// The largest request that API Gateway takes: 10 MB,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// The routes of the API and the functions behind them.
#[derive(Clone)]
pub struct Gateway {
    routes: Vec<(Route, Function)>,
}

impl Gateway {
    /// A gateway with these routes.
    pub fn new(routes: Vec<(Route, Function)>) -> Gateway {
        Gateway { routes }
    }

    /// The web application, to be served with the caller's address as [`ConnectInfo`].
    pub fn app(self) -> axum::Router {
        axum::Router::new().fallback(response).with_state(self)
    }

    /// The function behind a route, and the parameters in the path.
    fn route(
        &self,
        method: &str,
        path: &str,
    ) -> Option<(&Route, &Function, BTreeMap<String, String>)> {
        let mut routes = self
            .routes
            .iter()
            .filter(|(route, _)| route.method == method);
        routes.find_map(|(route, function)| Some((route, function, matches(&route.path, path)?)))
    }
}

/// The parameters with which `path` is an instance of `pattern`, such as `/events/{id}`.
fn matches(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut parameters = BTreeMap::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(parameters),
            (Some(expected), Some(found)) => match expected
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                Some(_) if found.is_empty() => return None,
                Some(name) => {
                    let value = percent_decode_str(found).decode_utf8_lossy().into_owned();
                    parameters.insert(name.to_owned(), value);
                }
                None if expected != found => return None,
                None => {}
            },
            _ => return None,
        }
    }
}

async fn response(
    State(gateway): State<Gateway>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return own(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let Some((route, function, parameters)) =
        gateway.route(parts.method.as_str(), parts.uri.path())
    else {
        return own(StatusCode::NOT_FOUND, "Not Found");
    };
    let response = function
        .invoke(event(&parts, &body, client, route, &parameters).to_string())
        .await;
    match response.and_then(|response| back(&response)) {
        Ok(response) => response,
        Err(InvokeError::EventTooLarge) => {
            own(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Err(error) => {
            tracing::error!(%error, "the invocation failed");
            own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// An answer of API Gateway's own, in its own form.
fn own(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The event in payload format 2.0.
fn event(
    parts: &Parts,
    body: &Bytes,
    client: SocketAddr,
    route: &Route,
    parameters: &BTreeMap<String, String>,
) -> Value {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let route_key = format!("{} {}", route.method, route.path);
    let mut headers = joined(&parts.headers);
    headers.insert("x-forwarded-for".to_owned(), client.ip().to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    let host = headers
        .get(header::HOST.as_str())
        .cloned()
        .unwrap_or_else(|| "localhost".to_owned());

    let mut event = json!({
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
    if !parameters.is_empty() {
        event["pathParameters"] = json!(parameters);
    }
    if !body.is_empty() {
        if is_text(&parts.headers) {
            // Bytes that are not UTF-8 do not survive it.
            event["body"] = json!(String::from_utf8_lossy(body));
        } else {
            event["body"] = json!(BASE64.encode(body));
            event["isBase64Encoded"] = json!(true);
        }
    }
    event
}

/// The headers with lower-case names, the values of a repeated one joined by commas.
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let values = |name: &HeaderName| {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        values.collect::<Vec<_>>().join(",")
    };
    headers
        .keys()
        .map(|name| (name.as_str().to_owned(), values(name)))
        .collect()
}

/// Whether API Gateway passes a body of this type on as text; it encodes any other, and one without
/// a type.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&essence.as_str())
}

/// What a function returns.
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

fn back(payload: &str) -> Result<Response<Body>, InvokeError> {
    let failed = |error: &dyn std::fmt::Display| {
        InvokeError::Failed(format!("its response is not usable: {error}"))
    };
    let function: FunctionResponse =
        serde_json::from_str(payload).map_err(|error| failed(&error))?;
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
        assert_eq!(matches("/events", "/events"), Some(BTreeMap::new()));
        assert_eq!(matches("/events/{id}", "/events/a%20b"), id("a b"));
        for path in ["/events/", "/events/a/b", "/event/a", "/events/a/"] {
            assert_eq!(matches("/events/{id}", path), None, "{path}");
        }
    }
}
