//! CORS as an HTTP API does it: the API itself answers preflight requests, and adds its headers to
//! every response.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::template::Cors;

/// The response to an `OPTIONS` request, on any path. It has headers only if it is a preflight
/// request of an origin that is allowed.
pub fn preflight(cors: &Cors, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return response;
    }
    let Some(origin) = allowed_origin(cors, request) else {
        return response;
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let methods = &cors.allow_methods;
    insert_list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = &cors.allow_headers;
    insert_list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    if let Some(seconds) = cors.max_age {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    response
}

/// Adds the headers that let a page of an allowed origin read a response.
pub fn expose(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    let Some(origin) = allowed_origin(cors, request) else {
        return;
    };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = &cors.expose_headers;
    insert_list(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// The origin of a request, if it is allowed.
fn allowed_origin(cors: &Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let is_allowed = cors.allow_origins.iter().any(|allowed| origin == allowed);
    is_allowed.then(|| origin.clone())
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if values.is_empty() {
        return;
    }
    if let Ok(list) = HeaderValue::from_str(&values.join(",")) {
        headers.insert(name, list);
    }
}
