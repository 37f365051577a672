//! The leaf hash of an event in the transparency log, computed from what a reader has. It is written
//! from docs/proof.md alone and shares no code with the functions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Deserializer, Value};
use sha2::{Digest, Sha256};

/// The leaf hash of an event, from its raw text in a response of `GET /events` or
/// `GET /events/{id}`.
pub fn leaf_of(event: &str) -> String {
    let rest = event.strip_prefix(r#"{"id":""#).unwrap();
    let (id, rest) = rest.split_once(r#"","recorded":"#).unwrap();
    let mut values = Deserializer::from_str(rest).into_iter::<Value>();
    let recorded = values.next().unwrap().unwrap();
    let members = rest[values.byte_offset()..].strip_prefix(',').unwrap();
    leaf(id, &recorded, &format!("{{{members}"))
}

/// The leaf hash of an event, from its id, its member `recorded` and its document.
pub fn leaf(id: &str, recorded: &Value, document: &str) -> String {
    let mut commitment = Sha256::new_with_prefix("audit-log/event/v1\n");
    for name in ["salt", "at", "by", "from"] {
        add(&mut commitment, recorded[name].as_str());
    }
    add(&mut commitment, Some(document));

    let id = u128::from_str_radix(&id.replace('-', ""), 16).unwrap();
    let leaf = Sha256::new_with_prefix([0, 1])
        .chain_update(id.to_be_bytes())
        .chain_update(commitment.finalize());
    BASE64.encode(leaf.finalize())
}

/// Adds a value behind its length. One that is absent has a length that no value has.
fn add(hash: &mut Sha256, value: Option<&str>) {
    match value {
        Some(value) => {
            hash.update(u32::try_from(value.len()).unwrap().to_be_bytes());
            hash.update(value);
        }
        None => hash.update([0xff; 4]),
    }
}
