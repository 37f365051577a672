//! The compression of responses (RFC 9110 §12.5.3).

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use lambda_http::http::{HeaderValue, Response, header};
use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Body, Request, RequestExt};

use super::response::MAX_EVENTS_BYTES;
use super::weights::{Weighted, named, weighted};

/// The largest body that is never compressed. It fits into one packet, or nearly so.
const MAX_PLAIN_BYTES: usize = 1024;
const GZIP: &str = "gzip";
/// The fastest level. 1,000 events of 570 bytes take 1.6 ms of a full core and shrink to 20 %. The
/// default level takes 10.5 ms for 17 %, and a function has a fraction of a core.
const LEVEL: Compression = Compression::new(1);

/// Compresses the body, if it is worth it and the client accepts it.
pub(super) fn compress(compressible: bool, response: &mut Response<Body>) {
    let Body::Text(text) = response.body() else {
        return;
    };
    if !compressible || text.len() <= MAX_PLAIN_BYTES {
        return;
    }
    let Some(compressed) = gzip(text) else {
        return;
    };
    *response.body_mut() = Body::Binary(compressed);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP));
}

/// Whether the response to this request may be compressed.
///
/// A compressed body is base64 in Lambda's response. An HTTP API decodes it. A REST API does so
/// only for the binary media types that it is configured with, so its responses stay as they are.
pub(super) fn accepts_gzip(request: &Request) -> bool {
    let context = request.request_context_ref();
    let is_http_api = matches!(context, Some(GatewayContext::ApiGatewayV2(_)));
    is_http_api && prefers_gzip(&weighted(request, header::ACCEPT_ENCODING))
}

fn prefers_gzip(codings: &[Weighted]) -> bool {
    // RFC 9110 §8.4.1.3: x-gzip is the same.
    let gzip = named(codings, &[GZIP, "x-gzip"]).or_else(|| named(codings, &["*"]));
    let plain = named(codings, &["identity"]);
    let gzip = gzip.unwrap_or(0);
    gzip > 0 && gzip >= plain.unwrap_or(0)
}

/// The compressed text, or `None` if it would be too large as base64. Text that is as good as
/// random becomes a tenth larger.
fn gzip(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    // Writing to a Vec does not fail.
    encoder.write_all(text.as_bytes()).ok()?;
    let compressed = encoder.finish().ok()?;
    let base64_bytes = compressed.len().div_ceil(3) * 4;
    (base64_bytes <= MAX_EVENTS_BYTES).then_some(compressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::super::weights::parse;
    use super::*;

    #[test]
    fn gzip_is_for_who_prefers_it_to_none() {
        for (accept, expected) in [
            ("gzip", true),
            ("x-gzip", true),
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.2", true),
            ("*", true),
            ("GZIP;q=0.5, *;q=0", true),
            ("gzip, identity", true),
            ("", false),
            ("br", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip;q=0.5, identity", false),
        ] {
            assert_eq!(prefers_gzip(&parse(accept)), expected, "{accept}");
        }
    }

    #[test]
    fn what_would_not_fit_as_base64_stays_plain() {
        let text = "0123456789".repeat(1000);
        let mut plain = String::new();
        let compressed = gzip(&text).unwrap();
        GzDecoder::new(&compressed[..])
            .read_to_string(&mut plain)
            .unwrap();
        assert_eq!(plain, text);
        // Random characters: more than 6 of 8 bits remain, and base64 carries 6.
        let mut state = 1_u64;
        let mut letter = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'#' + u8::try_from((state >> 33) % 90).unwrap())
        };
        let random: String = (0..MAX_EVENTS_BYTES).map(|_| letter()).collect();
        assert_eq!(gzip(&random), None);
    }
}
