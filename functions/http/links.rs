//! The Link header of a list (RFC 8288): where its other pages are.

use lambda_http::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::query::name;
use super::{ListQuery, PageNumber, RequestContext};
use crate::event::{EventId, Order};

/// The longest header that is sent. Proxies commonly take 4 to 8 KB of headers in all.
const MAX_HEADER_BYTES: usize = 4096;

const FIRST: &str = "first";
const PREV: &str = "prev";
const NEXT: &str = "next";
const LAST: &str = "last";

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The pages around one page of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListLinks<'a> {
    /// The context of the request.
    pub context: &'a RequestContext,
    /// The parameters of the request.
    pub query: &'a ListQuery,
    /// How many pages there are, if the events were counted.
    pub total_pages: Option<u64>,
    /// Where the next page starts, if there is one.
    pub next: Option<EventId>,
}

impl ListLinks<'_> {
    /// The value of the header, or `None` when there is no page to name.
    ///
    /// It has `first` and `last` if there is any event, `prev` if a page comes before, and `next`
    /// with the cursor that makes following it exact. Without a total there is no `last`.
    ///
    /// A long user id or path repeats in each link. If they would take more than 4 KB, `last`,
    /// `first` and then `prev` are left out. A client can build those itself, unlike `next`.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut links = self.links();
        for left_out in [LAST, FIRST, PREV] {
            if joined(&links).len() > MAX_HEADER_BYTES {
                links.retain(|(rel, _)| *rel != left_out);
            }
        }
        if links.is_empty() {
            return None;
        }
        // Everything in it is percent-encoded, so a header value accepts it, and nothing in it can
        // end the header early.
        HeaderValue::from_str(&joined(&links)).ok()
    }

    fn links(&self) -> Vec<(&'static str, String)> {
        let mut links = Vec::new();
        if self.total_pages != Some(0) {
            links.push((FIRST, self.link(FIRST, PageNumber::FIRST, None)));
            if let Some(previous) = self.previous() {
                links.push((PREV, self.link(PREV, previous, None)));
            }
        }
        if let Some(cursor) = self.next {
            let next = self.query.page().next();
            links.push((NEXT, self.link(NEXT, next, Some(cursor))));
        }
        if let Some(last @ 1..) = self.total_pages {
            links.push((LAST, self.link(LAST, PageNumber::saturating(last), None)));
        }
        links
    }

    /// The page before this one. For a page past the end it is the last page.
    fn previous(&self) -> Option<PageNumber> {
        let previous = self.query.page().previous()?;
        let last = PageNumber::saturating(self.total_pages.unwrap_or(PageNumber::MAX));
        Some(previous.min(last))
    }

    fn link(&self, rel: &str, page: PageNumber, cursor: Option<EventId>) -> String {
        let query = self.query;
        let mut parameters = Vec::new();
        for filter in query.filters() {
            parameters.push((filter.field().name(), encode(filter.as_str())));
        }
        if let Some(from) = query.from() {
            parameters.push((name::FROM, encode(&from.text)));
        }
        if let Some(to) = query.to() {
            parameters.push((name::TO, encode(&to.text)));
        }
        if query.order() != Order::default() {
            parameters.push((name::ORDER, query.order().as_str().to_owned()));
        }
        if !query.total() {
            parameters.push((name::TOTAL, "false".to_owned()));
        }
        parameters.push((name::PAGE, page.get().to_string()));
        parameters.push((name::PER_PAGE, query.per_page().get().to_string()));
        if let Some(cursor) = cursor {
            parameters.push((name::CURSOR, cursor.to_string()));
        }

        let pairs: Vec<String> = parameters
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let path = encode_path(&self.context.path);
        format!("<{path}?{}>; rel=\"{rel}\"", pairs.join("&"))
    }
}

fn joined(links: &[(&str, String)]) -> String {
    let links: Vec<&str> = links.iter().map(|(_, link)| link.as_str()).collect();
    links.join(", ")
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
            let context = RequestContext {
                path: format!("/{}", "a".repeat(path_bytes)),
                ..RequestContext::default()
            };
            let query =
                ListQuery::parse(&format!("user_id={user}&page=2").parse().unwrap(), None).unwrap();
            let header = ListLinks {
                context: &context,
                query: &query,
                total_pages: Some(9),
                next,
            }
            .header()
            .unwrap();
            assert!(header.len() <= MAX_HEADER_BYTES, "{} bytes", header.len());
            let rels = header
                .to_str()
                .unwrap()
                .split(", ")
                .map(|link| link.split('"').nth(1).unwrap().to_owned());
            assert_eq!(rels.collect::<Vec<_>>(), expected, "{path_bytes}");
        }
    }
}
