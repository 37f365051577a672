//! The Content-Encoding of a request (RFC 9110 §8.4): none, or gzip.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use lambda_http::Request;
use lambda_http::http::header;

use super::{ErrorCode, Problem};

/// The first bytes of a gzip stream (RFC 1952 §2.3.1).
pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How many members a stream may have (RFC 1952 §2.2). Tools write one for each 64 KiB or more. A
/// member without content has 20 bytes and takes as long to begin as any other, so a stream of very
/// many would cost time and yield nothing.
const MAX_MEMBERS: usize = 1000;
/// How much of a stream shows what kind of text it is.
const BEGINNING_BYTES: usize = 256;

/// Whether a request declares that its body is compressed with gzip.
///
/// # Errors
///
/// 415, as a [`Problem`], for any other coding, and for several.
pub(super) fn declares_gzip(request: &Request) -> Result<bool, Problem> {
    let headers = request.headers().get_all(header::CONTENT_ENCODING).iter();
    // A value that is not ASCII is no coding that exists.
    let texts = headers.map(|value| value.to_str().unwrap_or("?"));
    let values = texts.flat_map(|text| text.split(',')).map(str::trim);
    let codings: Vec<String> = values
        .map(str::to_ascii_lowercase)
        .filter(|coding| !matches!(coding.as_str(), "" | "identity"))
        .collect();
    let codings: Vec<&str> = codings.iter().map(String::as_str).collect();
    match codings.as_slice() {
        [] => Ok(false),
        ["gzip" | "x-gzip"] => Ok(true),
        [_] => Err(Problem::unsupported_encoding(
            "The Content-Encoding of the body is not supported; send gzip, or the body as it is.",
        )),
        _ => Err(Problem::unsupported_encoding(
            "The body has several Content-Encodings; compress it once with gzip, or send it as it \
             is.",
        )),
    }
}

/// Whether a body is a gzip stream.
pub(super) fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&GZIP_MAGIC)
}

/// The beginning of the content of a gzip stream. Empty if the stream is damaged there.
pub(super) fn beginning(body: &[u8]) -> Vec<u8> {
    let mut content = vec![0; BEGINNING_BYTES];
    let read = GzDecoder::new(body).read(&mut content).unwrap_or(0);
    content.truncate(read);
    content
}

/// The content of a gzip stream, of at most `max_bytes`.
///
/// # Errors
///
/// 413 or 400, as a [`Problem`].
pub(super) fn gunzip(body: &[u8], max_bytes: usize) -> Result<Vec<u8>, Problem> {
    // One byte more than the limit is enough to see that the limit is exceeded. The rest of a bomb
    // is never decompressed.
    let most = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let most = most.saturating_add(1);
    let mut content = Vec::new();
    let mut rest = body;
    for _ in 0..MAX_MEMBERS {
        let read = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let mut member = GzDecoder::new(rest).take(most.saturating_sub(read));
        member
            .read_to_end(&mut content)
            .map_err(|error| broken(&error))?;
        if content.len() > max_bytes {
            return Err(Problem::decompressed_too_large(max_bytes));
        }
        rest = member.into_inner().into_inner();
        if rest.is_empty() {
            return Ok(content);
        }
    }
    let message = format!(
        "The gzip stream of the body has more than {MAX_MEMBERS} members; compress it as one."
    );
    Err(Problem::bad_request(ErrorCode::InvalidJson, message))
}

/// 400: the stream ends early, or its content does not have the checksum that it states.
fn broken(error: &io::Error) -> Problem {
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "The gzip stream of the body ends too early; send all of it."
        }
        _ => "The gzip stream of the body is damaged; compress it again, or send it as it is.",
    };
    Problem::bad_request(ErrorCode::InvalidJson, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn status(result: Result<Vec<u8>, Problem>) -> u16 {
        let problem = result.unwrap_err();
        problem.response("").status().as_u16()
    }

    #[test]
    fn content_is_decompressed_up_to_the_limit() {
        let content = vec![b'x'; 1000];
        assert_eq!(gunzip(&gzip(&content), 1000).unwrap(), content);
        assert_eq!(status(gunzip(&gzip(&content), 999)), 413);
    }

    #[test]
    fn the_members_of_a_stream_are_read_as_one_content() {
        let members = [gzip(b"a"), gzip(b""), gzip(b"bc")].concat();
        assert_eq!(gunzip(&members, 3).unwrap(), b"abc".as_slice());
        assert_eq!(status(gunzip(&members, 2)), 413);
    }

    #[test]
    fn the_beginning_of_a_stream_shows_what_kind_of_text_it_is() {
        assert_eq!(beginning(&gzip(b"[1]")), b"[1]");
        assert_eq!(beginning(&gzip(&[b'x'; 1000])).len(), BEGINNING_BYTES);
        assert_eq!(beginning(&GZIP_MAGIC), b"");
        assert!(!is_gzip(b"") && !is_gzip(b"\x1f") && !is_gzip(b"{}"));
    }

    #[test]
    fn a_stream_that_is_not_whole_is_rejected_wherever_it_ends() {
        let stream = gzip(b"some content that is long enough");
        for end in GZIP_MAGIC.len()..stream.len() {
            assert_eq!(status(gunzip(&stream[..end], 100)), 400, "{end} bytes");
        }
        for at in GZIP_MAGIC.len()..stream.len() {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x55;
            if let Ok(content) = gunzip(&damaged, 100) {
                // A header's time and system mean nothing.
                assert_eq!(
                    content,
                    b"some content that is long enough".as_slice(),
                    "{at}"
                );
            }
        }
        let trailing = [stream.as_slice(), b"x"].concat();
        assert_eq!(status(gunzip(&trailing, 100)), 400);
    }

    #[test]
    fn a_stream_may_have_a_thousand_members() {
        let members = gzip(b"x").repeat(1000);
        assert_eq!(gunzip(&members, 1000).unwrap().len(), 1000);
        assert_eq!(status(gunzip(&members, 999)), 413);
        let members = gzip(b"").repeat(1001);
        assert_eq!(status(gunzip(&members, 1000)), 400);
    }
}
