//! A path and a query string, and the links that an answer to them has.

use audit_log::event::EventId;
use audit_log::http::{ListLinks, ListQuery, MAX_PER_PAGE, RequestContext};
use lambda_http::RequestExt;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::Request;
use serde_json::Value;

use super::{MAX_HEADER_BYTES, check_error, check_reference, now};

/// What an answer that names wrong parameters may have, for a query string of the length that API Gateway takes.
const MAX_PROBLEM_BYTES: usize = 128 * 1024;
/// The longest Link header.
const MAX_LINKS_BYTES: usize = 4096;
/// The longest path that a route of ours has: a stage or a base path, and `/events`.
const MAX_PATH_BYTES: usize = 128;

/// A query is understood, and then each of its links asks for the same but for the page; or it is refused in few words.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, raw) = text.split_once('?').unwrap_or((text, ""));
    if raw.len() > MAX_HEADER_BYTES || path.len() > MAX_PATH_BYTES {
        return;
    }
    let parameters: QueryMap = raw.parse().unwrap();
    let query = match ListQuery::parse(&parameters, Some(raw)) {
        Ok(query) => query,
        Err(problem) => {
            let response = problem.response("request");
            assert!(response.body().len() <= MAX_PROBLEM_BYTES, "{} bytes", response.body().len());
            check_error(&serde_json::from_slice::<Value>(response.body()).unwrap());
            return;
        }
    };
    assert!(query.page().get() >= 1 && (1..=MAX_PER_PAGE).contains(&query.per_page().get()));
    let context = RequestContext::of(&Request::new("".into()).with_raw_http_path(path));
    let next = EventId::new(now(), u64::MAX, 16);
    let header =
        ListLinks { context: &context, query: &query, total_pages: query.total().then_some(u64::MAX), next: Some(next) }
            .header()
            .unwrap();
    assert!(header.len() <= MAX_LINKS_BYTES, "{} bytes", header.len());
    let links: Vec<(&str, &str)> = header.to_str().unwrap().split(", ").map(link).collect();
    let found: Vec<&str> = links.iter().map(|(_, rel)| *rel).collect();
    let longest = links.iter().map(|(target, rel)| target.len() + rel.len()).max().unwrap_or_default();
    // So long that not all of them fit: each has a few bytes of its own.
    let too_long = 4 * (longest + 16) > MAX_LINKS_BYTES;
    assert!(found.iter().copied().eq(relations(&query)) || (too_long && found.contains(&"next")), "{links:?}");
    for (target, rel) in links {
        // Without a path, a link leads to where the list was asked for.
        if !target.starts_with('?') {
            check_reference(target);
        }
        let linked = target.split_once('?').unwrap().1;
        let linked = ListQuery::parse(&linked.parse().unwrap(), Some(linked)).unwrap();
        assert_eq!(linked.selection(), query.selection(), "{rel}");
        assert_eq!((linked.per_page(), linked.total()), (query.per_page(), query.total()), "{rel}");
        assert_eq!(linked.cursor(), (rel == "next").then_some(next), "{rel}");
    }
}

/// The links that are expected where there are pages without end.
fn relations(query: &ListQuery) -> impl Iterator<Item = &'static str> {
    let page = query.page().get();
    let total = query.total();
    let exists = move |rel: &&str| match *rel {
        "prev" => page > 1,
        "last" => total,
        _ => true,
    };
    ["first", "prev", "next", "last"].into_iter().filter(exists)
}

/// The target and the relation of one link (RFC 8288 §3).
fn link(link: &str) -> (&str, &str) {
    let (target, rel) = link.strip_prefix('<').and_then(|link| link.split_once(">; rel=\"")).unwrap();
    (target, rel.strip_suffix('"').unwrap())
}
