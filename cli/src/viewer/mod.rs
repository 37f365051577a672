//! The page that shows a log: `viewer/` of the repository, embedded into the command.
//!
//! The local service shows it at `/`. `audit-log view` serves it for another log.
//!
//! | module | subject |
//! |---|---|
//! | [`files`] | the embedded files |
//! | [`guard`] | which requests `audit-log view` serves |
//! | [`proxy`] | passes requests on to a log |

pub mod files;
pub mod guard;
pub mod proxy;

use audit_log::tree::VerifierKey;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use files::File;

/// The path of the settings, which the page reads first.
const SETTINGS: &str = "/viewer/settings.json";

/// What the browser may do with the page. It loads nothing from another host, runs no inline script,
/// cannot be framed, and refuses to make HTML of a text (Trusted Types).
const PAGE_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// The page, with its settings.
#[derive(Clone, Debug)]
pub struct Page {
    settings: String,
}

impl Page {
    /// The page of the log at a URL. It checks the signatures of checkpoints with these keys. Without
    /// a key, it says that it did not.
    pub fn new(log: &str, keys: &[VerifierKey]) -> Page {
        let keys: Vec<String> = keys.iter().map(VerifierKey::to_string).collect();
        let settings = json!({
            "log": log,
            "keys": keys,
            "version": env!("CARGO_PKG_VERSION"),
        });
        Page {
            settings: settings.to_string(),
        }
    }

    /// The response to `GET` of a path, if it is one of the page.
    pub fn response(&self, path: &str) -> Option<Response<Body>> {
        if path == SETTINGS {
            return Some(response(files::JSON, self.settings.clone().into()));
        }
        let File { media_type, text } = files::find(path)?;
        Some(response(media_type, Body::from(text)))
    }
}

fn response(media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, media_type);
    // Another version of the command may serve other files at the same address.
    insert(headers, header::CACHE_CONTROL, "no-store");
    insert(headers, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    harden(headers);
    response
}

/// The headers that every response has: no guessed types, no address in a `Referer`, and no other
/// origin that embeds it.
fn harden(headers: &mut HeaderMap) {
    insert(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert(headers, header::REFERRER_POLICY, "no-referrer");
    let name = HeaderName::from_static("cross-origin-resource-policy");
    insert(headers, name, "same-origin");
    let name = HeaderName::from_static("cross-origin-opener-policy");
    insert(headers, name, "same-origin");
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_no_inline_script_and_asks_no_other_host() {
        let page = Page::new("http://127.0.0.1:5001", &[]);
        for path in ["/", "/viewer/app.js", SETTINGS] {
            let response = page.response(path).unwrap();
            let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
            let policy = policy.to_str().unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
    }

    #[test]
    fn other_paths_are_not_of_the_page() {
        let page = Page::new("http://127.0.0.1:5001", &[]);
        for path in [
            "",
            "/events",
            "/viewer",
            "/viewer/",
            "/viewer/../app.js",
            "//",
        ] {
            assert!(page.response(path).is_none(), "{path}");
        }
    }
}
