//! The choice of a [`Format`] by the `Accept` header (RFC 9110 §12.5.1).

use lambda_http::Request;
use lambda_http::http::header;

use super::weights::{Weight, Weighted, named, weighted};
use super::{Format, Problem};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
/// What browsers ask for. They get JSON, as every client did before there was a choice.
const HTML: &str = "text/html";
/// What clients send that take anything, or a page.
const ANYTHING: [&str; 3] = ["*/*", "*", HTML];

impl Format {
    /// The format in which this request wants its events.
    ///
    /// # Errors
    ///
    /// 406, as a [`Problem`], if the request excludes every format.
    pub fn accepted(request: &Request) -> Result<Format, Problem> {
        choose(&weighted(request, header::ACCEPT)).ok_or_else(Problem::not_acceptable)
    }
}

/// Checks that this request accepts JSON, for a response that has no other format.
///
/// # Errors
///
/// 406, as a [`Problem`], if the request excludes JSON.
pub fn accepts_json(request: &Request) -> Result<(), Problem> {
    let ranges = weighted(request, header::ACCEPT);
    if !ranges.iter().any(is_range) || weight_of_json(&ranges) > 0 {
        return Ok(());
    }
    Err(Problem::only_json())
}

/// JSON, unless another format is named with at least the weight that JSON has. A client that also
/// takes anything, or a page, gets JSON whatever else it names.
fn choose(ranges: &[Weighted]) -> Option<Format> {
    if !ranges.iter().any(is_range) {
        return Some(Format::Json);
    }
    let json = weight_of_json(ranges);
    if json > 0 {
        if takes_anything(ranges) {
            return Some(Format::Json);
        }
        let ndjson = named(ranges, &[NDJSON]).unwrap_or(0);
        let csv = named(ranges, &[CSV]).unwrap_or(0);
        return Some(match ndjson.max(csv) {
            best if best < json => Format::Json,
            best if best == ndjson => Format::Ndjson,
            _ => Format::Csv,
        });
    }

    let ndjson = weight_of(ranges, NDJSON);
    let csv = weight_of(ranges, CSV);
    match ndjson.max(csv) {
        0 => None,
        best if best == ndjson => Some(Format::Ndjson),
        _ => Some(Format::Csv),
    }
}

/// Whether an element is a media range. Some clients send `*` for `*/*`.
fn is_range(element: &Weighted) -> bool {
    element.value == "*" || element.value.contains('/')
}

fn takes_anything(ranges: &[Weighted]) -> bool {
    named(ranges, &ANYTHING).is_some_and(|weight| weight > 0)
}

/// JSON can be asked for as `application/json`, by the name of a form of it (RFC 6839 §3.1), or as
/// the page that a browser wants.
fn weight_of_json(ranges: &[Weighted]) -> Weight {
    if let Some(weight) = named(ranges, &[JSON]) {
        return weight;
    }
    let forms = ranges.iter().filter(|range| is_form_of_json(&range.value));
    match forms.map(|range| range.weight).max() {
        Some(weight) => weight,
        None => weight_of(ranges, JSON),
    }
}

fn is_form_of_json(range: &str) -> bool {
    range == HTML || range.ends_with("+json")
}

/// The weight of a type: that of the most specific range that includes it.
fn weight_of(ranges: &[Weighted], media_type: &str) -> Weight {
    let (kind, _) = media_type.split_once('/').unwrap_or_default();
    let wildcard = format!("{kind}/*");
    for range in [media_type, &wildcard, "*/*", "*"] {
        if let Some(weight) = named(ranges, &[range]) {
            return weight;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn accepted(accept: &str) -> Option<Format> {
        let request = Request::new(Body::Empty);
        let (mut parts, body) = request.into_parts();
        parts
            .headers
            .insert(header::ACCEPT, accept.parse().unwrap());
        Format::accepted(&Request::from_parts(parts, body)).ok()
    }

    #[test]
    fn json_is_for_all_who_accept_it_or_want_nothing_special() {
        let request = Request::new(Body::Empty);
        assert_eq!(Format::accepted(&request), Ok(Format::Json));
        for accept in [
            "",
            "json",
            "*/*",
            "*",
            "application/*",
            "application/json",
            "application/json;charset=utf-8",
            "application/vnd.api+json",
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
            "application/json, text/plain, */*",
            "text/csv;q=0.9, application/json",
            "text/csv;q=0.4, */*;q=0.5",
            "text/csv, */*",
            "text/csv, */*;q=0.01",
            "application/x-ndjson, *;q=0.1",
            "text/csv, text/html;q=0.1",
            "application/x-ndjson, application/json;q=0.1, */*;q=0.1",
            "application/x-ndjson;q=0, */*",
            "text/*, application/json;q=0.1",
            "application/json, application/ld+json;q=0",
        ] {
            assert_eq!(accepted(accept), Some(Format::Json), "{accept}");
        }
    }

    #[test]
    fn another_format_is_for_who_names_it() {
        for (accept, format) in [
            ("text/csv", Format::Csv),
            ("TEXT/CSV; header=absent", Format::Csv),
            ("text/csv, */*;q=0", Format::Csv),
            ("text/csv, text/html;q=0", Format::Csv),
            ("text/csv, application/*", Format::Csv),
            ("application/json, text/csv", Format::Csv),
            ("text/csv;q=0.5, application/x-ndjson;q=0.4", Format::Csv),
            ("text/*", Format::Csv),
            ("text/*, application/pdf", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            (
                "application/x-ndjson, application/json;q=0.1",
                Format::Ndjson,
            ),
            ("text/csv, application/x-ndjson", Format::Ndjson),
            ("application/json;q=0, */*", Format::Ndjson),
            (
                "application/json;q=0, application/x-ndjson;q=0, */*",
                Format::Csv,
            ),
        ] {
            assert_eq!(accepted(accept), Some(format), "{accept}");
        }
    }

    #[test]
    fn who_accepts_no_format_gets_a_406() {
        for accept in [
            "image/png",
            "application/xml, text/plain",
            "application/json;q=0",
            "*/*;q=0",
            "text/csv;q=0",
            "text/html;q=0",
            "text/csv;q=0, text/*",
        ] {
            assert_eq!(accepted(accept), None, "{accept}");
        }
    }
}
