//! The server of `audit-log view`: the page, and its requests to a log, which are signed here. So the
//! browser has no credentials, and the log needs no open route.

use std::net::SocketAddr;

use audit_log_client::{Error, Log, Response as Answer, Retry};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use reqwest::Url;
use serde_json::json;

use super::guard::Guard;
use super::{Page, harden, insert};

/// The paths of a log that the page reads, and everything below them.
const PATHS: [&str; 2] = ["events", "log"];
/// What the page reads of a response. The body is decompressed here.
const RESPONSE_HEADERS: [HeaderName; 4] = [
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::LINK,
    header::RETRY_AFTER,
];
/// What a browser may do with a response of a log that it opens as a page.
const RESPONSE_POLICY: &str = "default-src 'none'; sandbox";
/// A person waits, and can try again. Only what the service itself has not seen is repeated.
const RETRY: Retry = Retry::THROTTLED;

/// A log that requests are passed on to.
#[derive(Clone)]
pub struct Upstream {
    log: Log,
}

/// The server.
#[derive(Clone)]
pub struct Proxy {
    page: Page,
    guard: Guard,
    upstream: Upstream,
}

impl Upstream {
    /// The log that this client reads.
    pub fn new(log: Log) -> Upstream {
        Upstream { log }
    }

    /// Asks the log for its newest event, so that a wrong URL or token is found at the start.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::Refused`] or [`Error::Credentials`].
    pub async fn probe(&self) -> Result<(), Error> {
        let url = self.log.join("events?per_page=1&total=false")?;
        let request = reqwest::Request::new(Method::GET, url.clone());
        let answer = self.log.http().send(request, Retry::NEVER).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            _ => Err(answer.refused(&url)),
        }
    }

    /// `GET` of a path of the log, or `None` if the page has no business there.
    async fn get(
        &self,
        path: &str,
        query: Option<&str>,
        accept: Option<&HeaderValue>,
    ) -> Result<Option<Answer>, Error> {
        let Some(url) = self.url(path, query) else {
            return Ok(None);
        };
        let mut request = reqwest::Request::new(Method::GET, url);
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept.clone());
        }
        self.log.http().send(request, RETRY).await.map(Some)
    }

    /// The URL of a path that the page may read. A path with dots is checked as it is sent.
    fn url(&self, path: &str, query: Option<&str>) -> Option<Url> {
        let mut url = self.log.url().clone();
        let base = url.path().to_owned();
        url.set_path(&format!("{base}{}", path.strip_prefix('/')?));
        url.set_query(query);
        let sent = url.path().strip_prefix(&base)?;
        let first = sent.split('/').next()?;
        PATHS.contains(&first).then_some(url)
    }
}

impl Proxy {
    /// A server at this address, which shows the page for a log.
    pub fn new(address: SocketAddr, page: Page, upstream: Upstream) -> Proxy {
        Proxy {
            page,
            guard: Guard::new(address),
            upstream,
        }
    }

    /// The path of the page.
    pub fn path(&self) -> String {
        self.guard.prefix()
    }

    /// The web application.
    pub fn app(self) -> Router {
        Router::new().fallback(respond).with_state(self)
    }
}

async fn respond(State(proxy): State<Proxy>, request: Request) -> Response<Body> {
    let headers = request.headers();
    let path = match proxy.guard.admit(request.uri().path(), headers) {
        Ok(path) => path,
        Err(refusal) => return problem(StatusCode::FORBIDDEN, "refused", &refusal.to_string()),
    };
    if request.method() != Method::GET {
        let message = "The page only reads. Report events with audit-log report.";
        return problem(StatusCode::METHOD_NOT_ALLOWED, "refused", message);
    }
    if let Some(response) = proxy.page.response(path) {
        return response;
    }
    let accept = headers.get(header::ACCEPT);
    let answer = proxy.upstream.get(path, request.uri().query(), accept);
    match answer.await {
        Ok(Some(answer)) => passed_on(answer),
        Ok(None) => problem(StatusCode::NOT_FOUND, "not_found", "There is no such path."),
        Err(error) => problem(StatusCode::BAD_GATEWAY, "unreachable", &format!("{error}.")),
    }
}

/// The response of the log, with the headers that the page reads.
fn passed_on(answer: Answer) -> Response<Body> {
    let mut passed = Response::new(Body::from(answer.body));
    *passed.status_mut() = answer.status;
    for name in RESPONSE_HEADERS {
        if let Some(value) = answer.headers.get(&name) {
            passed.headers_mut().insert(name, value.clone());
        }
    }
    protect(&mut passed);
    passed
}

/// An error of this server, in the shape of the service's errors.
fn problem(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = json!({ "error": message, "code": code }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static(super::files::JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    insert(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    if status == StatusCode::METHOD_NOT_ALLOWED {
        insert(response.headers_mut(), header::ALLOW, "GET");
    }
    protect(&mut response);
    response
}

fn protect(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_SECURITY_POLICY, RESPONSE_POLICY);
    harden(headers);
}

#[cfg(test)]
mod tests {
    use audit_log_client::Auth;

    use super::*;

    fn sent(base: &str, path: &str) -> Option<String> {
        let log = Log::new(base, Auth::None).unwrap();
        let url = Upstream::new(log).url(path, Some("a=%2B"));
        url.map(String::from)
    }

    #[test]
    fn the_page_reads_events_and_the_log_and_nothing_else() {
        let base = "http://127.0.0.1:1/prod";
        let url = |path: &str| Some(format!("{base}{path}?a=%2B"));
        for path in [
            "/events",
            "/events/feed",
            "/log/checkpoint",
            "/log/tile/0/x001/234",
        ] {
            assert_eq!(sent(base, path), url(path), "{path}");
        }
        let others = [
            "/",
            "",
            "/admin",
            "/eventss",
            "/events/../admin",
            "/events/%2e%2e/admin",
            "/events/../../events",
            "//events",
            "/viewer/settings.json",
            "http://evil.example/events",
        ];
        for path in others {
            assert_eq!(sent(base, path), None, "{path}");
        }
    }
}
