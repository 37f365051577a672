//! Lists of what a client prefers, as `Accept` and `Accept-Encoding` have them (RFC 9110 §12.4).

use lambda_http::Request;
use lambda_http::http::HeaderName;

/// How much a client wants something, in thousandths. 0 excludes it, and 1000 is the default.
pub(super) type Weight = u16;

const MAX_WEIGHT: Weight = 1000;

/// An element of a list, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weighted {
    /// Such as `text/csv` or `gzip`, in lower case.
    pub value: String,
    pub weight: Weight,
}

/// The elements of the headers with this name. A header that is repeated continues the list (RFC
/// 9110 §5.3).
pub(super) fn weighted(request: &Request, name: HeaderName) -> Vec<Weighted> {
    let headers = request.headers().get_all(name).iter();
    let texts = headers.filter_map(|value| value.to_str().ok());
    texts.flat_map(parse).collect()
}

/// The weight of an element that has one of these names. If there are several, the largest.
pub(super) fn named(list: &[Weighted], names: &[&str]) -> Option<Weight> {
    let same = list
        .iter()
        .filter(|element| names.contains(&element.value.as_str()));
    same.map(|element| element.weight).max()
}

pub(super) fn parse(list: &str) -> Vec<Weighted> {
    let elements = unquoted_parts(list, ',').map(element);
    elements
        .filter(|element| !element.value.is_empty())
        .collect()
}

/// An element such as `text/csv;header=present;q=0.5`.
fn element(text: &str) -> Weighted {
    let mut parts = unquoted_parts(text, ';').map(str::trim);
    let value = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(weight).unwrap_or(MAX_WEIGHT);
    Weighted { value, weight }
}

/// The weight, if this parameter is one that can be read. Some clients send `.2` for `0.2`.
fn weight(parameter: &str) -> Option<Weight> {
    let (name, number) = parameter.split_once('=')?;
    let number = number.trim();
    let is_decimal = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !name.trim().eq_ignore_ascii_case("q") || !is_decimal {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.bytes().any(|digit| digit != b'0') {
        return Some(MAX_WEIGHT);
    }
    // Three digits, which is the precision of RFC 9110 §12.4.2.
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(digits.fold(0, |sum, digit| sum * 10 + Weight::from(digit & 0x0f)))
}

/// The parts of a text between separators that are not within quotes (RFC 9110 §5.6.6).
pub(super) fn unquoted_parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_has_a_value_and_a_weight() {
        for (text, value, weight) in [
            ("text/csv", "text/csv", 1000),
            ("Text/CSV ; header=present", "text/csv", 1000),
            ("gzip;q=0.5", "gzip", 500),
            ("gzip ; Q = 0.123", "gzip", 123),
            ("gzip;q=0", "gzip", 0),
            ("gzip;q=0.000", "gzip", 0),
            ("gzip;q=1.000", "gzip", 1000),
            ("gzip;q=.2", "gzip", 200),
            ("gzip;q=7", "gzip", 1000),
            ("gzip;q=low", "gzip", 1000),
            (r#"a/b;x="q=0,;";q=0.1"#, "a/b", 100),
        ] {
            let value = value.to_owned();
            assert_eq!(parse(text), [Weighted { value, weight }], "{text}");
        }
    }

    #[test]
    fn empty_elements_of_a_list_do_not_count() {
        let values = |list| {
            let elements = parse(list).into_iter();
            elements.map(|element| element.value).collect::<Vec<_>>()
        };
        assert_eq!(values(" , a/b,, c/d;q=0.3 ,"), ["a/b", "c/d"]);
        assert_eq!(values(""), [""; 0]);
        assert_eq!(values(r#"a/b;x="1,2",c/d"#), ["a/b", "c/d"]);
    }
}
