//! The hashes of a Merkle tree (RFC 6962 §2.1), which are SHA-256.

use std::fmt;

use aws_smithy_types::base64;
use sha2::{Digest, Sha256};

/// The length of a hash in bytes.
pub const HASH_BYTES: usize = 32;

/// Hashes of leaves and of nodes begin differently, so that no node can pass for a leaf.
const LEAF_PREFIX: [u8; 1] = [0];
const NODE_PREFIX: [u8; 1] = [1];

/// The hash of a leaf or of a node. Its text is base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// The hash of a leaf with this content.
    pub fn leaf(content: &[u8]) -> Hash {
        Hash::digest([&LEAF_PREFIX, content])
    }

    /// The hash of the node above these two.
    pub fn node(left: &Hash, right: &Hash) -> Hash {
        Hash::digest([NODE_PREFIX.as_slice(), &left.0, &right.0])
    }

    /// The root of the empty tree.
    pub fn of_empty_tree() -> Hash {
        Hash::digest([])
    }

    /// The SHA-256 of these parts, one after another.
    pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Hash {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Hash(digest.finalize().into())
    }

    /// The hash with these bytes, or `None` if they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads base64, or returns `None` for any text that [`Display`](fmt::Display) does not write.
    pub fn parse(text: &str) -> Option<Hash> {
        let hash = Hash::from_bytes(&base64::decode(text).ok()?)?;
        (hash.to_string() == text).then_some(hash)
    }
}

/// The text of some bytes in base64url without padding (RFC 4648 §5).
pub(super) fn base64url(bytes: &[u8]) -> String {
    let standard = base64::encode(bytes);
    standard
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
