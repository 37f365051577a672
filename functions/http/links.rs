//! The Link header of a list (RFC 8288): where its other pages are.

use lambda_http::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::query::{MAX_PAGE, name};
use super::{ListQuery, RequestContext};
use crate::event::EventId;

/// The longest header that is sent. Proxies commonly take 4 to 8 KB of headers in all.
const MAX_HEADER_BYTES: usize = 4096;

const FIRST: &str = "first";
const PREV: &str = "prev";
const NEXT: &str = "next";
const LAST: &str = "last";

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The pages around one page of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListLinks<'a> {
    /// Where the list was asked for.
    pub context: &'a RequestContext,
    /// What was asked for.
    pub query: &'a ListQuery,
    /// How many pages there are, if the events were counted.
    pub total_pages: Option<u64>,
    /// Where the next page starts, if there is one.
    pub next: Option<EventId>,
}

impl ListLinks<'_> {
    /// `first` and `last` where there is any event, `prev` where a page comes before, and `next` with the cursor
    /// that makes following it exact. Without a total there is no `last`. `None` when there is no page to name.
    ///
    /// A long user id or path repeats in each link. Where they would take more than 4 KB, `last`, `first`
    /// and then `prev` are left out: a client can make them up, unlike `next`.
    pub fn header(&self) -> Option<HeaderValue> {
        let page = self.query.page;
        let mut links = Vec::new();
        if self.total_pages != Some(0) {
            links.push((FIRST, self.link(FIRST, 1, None)));
            if page > 1 {
                let last = self.total_pages.unwrap_or(MAX_PAGE);
                links.push((PREV, self.link(PREV, last.min(page - 1), None)));
            }
        }
        if let Some(cursor) = self.next {
            links.push((NEXT, self.link(NEXT, MAX_PAGE.min(page + 1), Some(cursor))));
        }
        if let Some(last @ 1..) = self.total_pages {
            links.push((LAST, self.link(LAST, last, None)));
        }
        for left_out in [LAST, FIRST, PREV] {
            if joined(&links).len() > MAX_HEADER_BYTES {
                links.retain(|(rel, _)| *rel != left_out);
            }
        }
        // Percent-encoded throughout: a header value cannot refuse it, and nothing in it can end it early.
        HeaderValue::from_str(&joined(&links)).ok().filter(|value| !value.is_empty())
    }

    fn link(&self, rel: &str, page: u64, cursor: Option<EventId>) -> String {
        let query = self.query;
        let text = |name, value: Option<&str>| value.map(|value| format!("{name}={}&", encode(value)));
        let filters = [
            text(name::USER_ID, query.user_id.as_deref()),
            text(name::FROM, query.from.as_ref().map(|(text, _)| text.as_str())),
            text(name::TO, query.to.as_ref().map(|(text, _)| text.as_str())),
            text(name::TOTAL, (!query.total).then_some("false")),
        ];
        let filters: String = filters.into_iter().flatten().collect();
        let cursor = cursor.map(|cursor| format!("&{}={cursor}", name::CURSOR)).unwrap_or_default();
        let (path, per_page) = (encode_path(&self.context.path), query.per_page);
        format!("<{path}?{filters}{}={page}&{}={per_page}{cursor}>; rel=\"{rel}\"", name::PAGE, name::PER_PAGE)
    }
}

fn joined(links: &[(&str, String)]) -> String {
    links.iter().map(|(_, link)| link.as_str()).collect::<Vec<_>>().join(", ")
}

/// A path as it may stand in a link: its slashes, the rest percent-encoded.
pub(crate) fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_beyond_4_kb_are_left_out_and_next_is_the_last_to_go() {
        let next = EventId::parse("018cc251-f400-7000-8000-000000000000");
        let user = "é".repeat(128);
        for (path_bytes, next, expected) in [
            (20, next, &["first", "prev", "next", "last"][..]),
            (400, next, &["first", "prev", "next"]),
            (700, next, &["prev", "next"]),
            (1600, next, &["next"]),
            (1600, None, &["prev"]),
        ] {
            let context = RequestContext { path: format!("/{}", "a".repeat(path_bytes)), ..RequestContext::default() };
            let query = ListQuery::parse(&format!("user_id={user}&page=2").parse().unwrap(), None).unwrap();
            let header = ListLinks { context: &context, query: &query, total_pages: Some(9), next }.header().unwrap();
            assert!(header.len() <= MAX_HEADER_BYTES, "{} bytes", header.len());
            let rels = header.to_str().unwrap().split(", ").map(|link| link.split('"').nth(1).unwrap().to_owned());
            assert_eq!(rels.collect::<Vec<_>>(), expected, "{path_bytes}");
        }
    }
}
