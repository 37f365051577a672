//! A path and a query string, and the links in the response to them.

use audit_log::event::EventId;
use audit_log::http::{ListLinks, ListQuery, MAX_PER_PAGE, RequestContext};
use lambda_http::RequestExt;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::Request;
use serde_json::Value;

use super::{MAX_HEADER_BYTES, check_error, check_reference, now};

/// How long a response may be that names wrong parameters, for a query string of the length that
/// API Gateway takes.
const MAX_PROBLEM_BYTES: usize = 128 * 1024;
/// The longest Link header.
const MAX_LINKS_BYTES: usize = 4096;
/// The longest path that a route of ours has: a stage or a base path, and `/events`.
const MAX_PATH_BYTES: usize = 128;

/// A query is understood, and then each of its links requests the same but for the page; or it is
/// refused in few words.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (path, raw) = text.split_once('?').unwrap_or((text, ""));
    if raw.len() > MAX_HEADER_BYTES || path.len() > MAX_PATH_BYTES {
        return;
    }
    let parameters: QueryMap = raw.parse().unwrap();
    match ListQuery::parse(&parameters, Some(raw)) {
        Ok(query) => check_links(path, &query),
        Err(problem) => {
            let response = problem.response("request");
            let body = response.body();
            assert!(body.len() <= MAX_PROBLEM_BYTES, "{} bytes", body.len());
            check_error(&serde_json::from_slice::<Value>(body).unwrap());
        }
    }
}

fn check_links(path: &str, query: &ListQuery) {
    assert!(query.page().get() >= 1);
    assert!((1..=MAX_PER_PAGE).contains(&query.per_page().get()));
    let context = RequestContext::of(&Request::new("".into()).with_raw_http_path(path));
    let next = EventId::new(now(), u64::MAX, 16);
    let total_pages = query.total().then_some(u64::MAX);
    let links = ListLinks {
        context: &context,
        query,
        total_pages,
        next: Some(next),
    };
    let header = links.header().unwrap();
    assert!(header.len() <= MAX_LINKS_BYTES, "{} bytes", header.len());

    let links: Vec<(&str, &str)> = header.to_str().unwrap().split(", ").map(link).collect();
    let found: Vec<&str> = links.iter().map(|(_, rel)| *rel).collect();
    if found != relations(query) {
        // Not all of them fit: each has a few bytes of its own.
        let lengths = links.iter().map(|(target, rel)| target.len() + rel.len());
        let longest = lengths.max().unwrap();
        assert!(4 * (longest + 16) > MAX_LINKS_BYTES, "{links:?}");
        assert!(found.contains(&"next"), "{links:?}");
    }
    for (target, rel) in links {
        // Without a path, a link leads to where the list was requested.
        if !target.starts_with('?') {
            check_reference(target);
        }
        let (_, raw) = target.split_once('?').unwrap();
        let linked = ListQuery::parse(&raw.parse().unwrap(), Some(raw)).unwrap();
        let cursor = (rel == "next").then_some(next);
        assert_eq!(linked.filters(), query.filters(), "{rel}");
        assert_eq!(linked.range(), query.range(), "{rel}");
        assert_eq!(linked.order(), query.order(), "{rel}");
        assert_eq!(linked.per_page(), query.per_page(), "{rel}");
        assert_eq!(linked.total(), query.total(), "{rel}");
        assert_eq!(linked.cursor(), cursor, "{rel}");
    }
}

/// The links that are expected where there are pages without end.
fn relations(query: &ListQuery) -> Vec<&'static str> {
    let mut relations = vec!["first", "prev", "next", "last"];
    relations.retain(|relation| match *relation {
        "prev" => query.page().get() > 1,
        "last" => query.total(),
        _ => true,
    });
    relations
}

/// The target and the relation of one link (RFC 8288 §3).
fn link(link: &str) -> (&str, &str) {
    let link = link.strip_prefix('<').unwrap();
    let (target, rel) = link.split_once(">; rel=\"").unwrap();
    (target, rel.strip_suffix('"').unwrap())
}
