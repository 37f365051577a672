//! The text of a body: UTF-8 (RFC 8259 §8.1), and what a sender of anything else is told.

use std::borrow::Cow;

use super::content_encoding::GZIP_MAGIC;
use super::{ErrorCode, Problem};

/// The mark that some tools put in front of UTF-8. It is not part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// The byte order mark of UTF-16 and UTF-32 after a gateway replaced its two bytes that are not
/// UTF-8. UTF-32 has two zero bytes next to them.
const REPLACED_MARK: &[u8] = "\u{fffd}\u{fffd}".as_bytes();
/// The first character of a gzip stream. No JSON begins with it.
const GZIP_FIRST: u8 = GZIP_MAGIC[0];

/// Checks the first bytes of a body for what is certainly not UTF-8.
///
/// # Errors
///
/// 400, as a [`Problem`] that says what the body is instead.
pub(super) fn check_encoding(body: &[u8]) -> Result<(), Problem> {
    if let Some(encoding) = wider_encoding(body) {
        return Err(invalid(format!("The body is {encoding}; send UTF-8.")));
    }
    match undeclared_gzip(body) {
        Some(message) => Err(invalid(message)),
        None => Ok(()),
    }
}

/// The text of a body, without a byte order mark.
///
/// # Errors
///
/// 400, as a [`Problem`] that says where the body is not UTF-8.
pub(super) fn text(body: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Problem> {
    let not_utf_8 = |offset| {
        invalid(format!(
            "The body is not UTF-8: the byte at offset {offset} is wrong."
        ))
    };
    let text = match body {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| not_utf_8(error.valid_up_to()))?,
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| not_utf_8(error.utf8_error().valid_up_to()))?,
    };
    Ok(without_mark(text))
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::bad_request(ErrorCode::InvalidJson, message)
}

/// The encoding of a text that is not UTF-8, but UTF-16 or UTF-32.
///
/// JSON begins with an ASCII character, and its second character is not U+0000. So zero bytes among
/// the first four show the encoding, as does a byte order mark.
fn wider_encoding(body: &[u8]) -> Option<&'static str> {
    if let Some(rest) = body.strip_prefix(REPLACED_MARK)
        && rest.starts_with(&[0, 0])
    {
        return Some("UTF-32");
    }
    if let Some(rest) = body.strip_prefix(&[0, 0])
        && rest.starts_with(REPLACED_MARK)
    {
        return Some("UTF-32");
    }
    let start = body.strip_prefix(REPLACED_MARK).unwrap_or(body);
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [1..=255, 0, 0, 0, ..] | [0, 0, 0, 1..=255, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [1..=255, 0, ..] | [0, 1..=255, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// What to tell the sender of a gzip stream that cannot be decompressed.
fn undeclared_gzip(body: &[u8]) -> Option<&'static str> {
    if body.starts_with(&GZIP_MAGIC) {
        return Some("The body is compressed with gzip; declare it with Content-Encoding: gzip.");
    }
    // An HTTP API passes application/json on as a string. That replaces the bytes of a gzip stream
    // that are not UTF-8, and only the first is left for certain.
    (body.first() == Some(&GZIP_FIRST)).then_some(
        "The body was compressed with gzip, and API Gateway damaged it, because it passes \
         application/json on as text. Send it as application/vnd.audit-log+json or \
         application/x-ndjson, or send it uncompressed.",
    )
}

fn without_mark(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len_utf8());
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> String {
        if let Err(problem) = check_encoding(body) {
            return problem.message().to_owned();
        }
        let borrowed = text(Cow::Borrowed(body)).unwrap();
        let owned = text(Cow::Owned(body.to_vec())).unwrap();
        assert_eq!(borrowed, owned);
        borrowed.into_owned()
    }

    #[test]
    fn one_byte_order_mark_is_not_part_of_the_text() {
        for (body, expected) in [
            ("", ""),
            ("\u{feff}", ""),
            ("\u{feff}{}", "{}"),
            ("\u{feff}\u{feff}{}", "\u{feff}{}"),
            ("{}\u{feff}", "{}\u{feff}"),
        ] {
            assert_eq!(read(body.as_bytes()), expected);
        }
    }

    #[test]
    fn utf_16_and_utf_32_are_named_with_and_without_a_mark() {
        for (body, expected) in [
            (b"{\0}\0".as_slice(), "UTF-16"),
            (b"\0{\0}", "UTF-16"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"\xfe\xff\0{\0}", "UTF-16"),
            (b"\xff\xfe", "UTF-16"),
            // As a gateway passes it on.
            ("\u{fffd}\u{fffd}{\0}\0".as_bytes(), "UTF-16"),
            ("\u{fffd}\u{fffd}\0{\0}".as_bytes(), "UTF-16"),
            (b"{\0\0\0}\0\0\0", "UTF-32"),
            (b"\0\0\0{\0\0\0}", "UTF-32"),
            (b"\xff\xfe\0\0{\0\0\0", "UTF-32"),
            (b"\0\0\xfe\xff\0\0\0{", "UTF-32"),
            // As a gateway passes it on.
            ("\u{fffd}\u{fffd}\0\0{\0\0\0".as_bytes(), "UTF-32"),
            ("\0\0\u{fffd}\u{fffd}\0\0\0{".as_bytes(), "UTF-32"),
        ] {
            assert_eq!(read(body), format!("The body is {expected}; send UTF-8."));
        }
    }

    #[test]
    fn gzip_that_is_not_declared_or_is_damaged_is_named() {
        assert!(read(b"\x1f\x8b\x08\0").contains("declare it"));
        for damaged in ["\u{1f}\u{fffd}\u{8}\0", "\u{1f}\u{8b}\u{8}"] {
            assert!(read(damaged.as_bytes()).contains("vnd.audit-log+json"));
        }
    }
}
