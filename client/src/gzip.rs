//! Compression of requests and responses.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Compresses a body, quickly. JSON shrinks to a tenth even so.
pub(crate) fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Decompresses a body, up to a limit.
pub(crate) fn decompress(gzip: &[u8], max_bytes: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let limit = max_bytes as u64 + 1;
    let mut decoder = GzDecoder::new(gzip).take(limit);
    let read = decoder.read_to_end(&mut body);
    let read = read.map_err(|error| format!("its response is not gzip: {error}"))?;
    if read > max_bytes {
        return Err("its response is too long".to_owned());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let gzip = compress(&[b' '; 10_000]).unwrap();
        assert_eq!(decompress(&gzip, 10_000).unwrap().len(), 10_000);
        assert!(decompress(&gzip, 9_999).is_err());
        assert!(decompress(b"text", 100).is_err());
    }
}
