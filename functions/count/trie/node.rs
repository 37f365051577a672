//! A node, which is a set of keys or counts of keys, and how it is packed into bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Digit, KEY_BYTES, MAX_LEAF_KEYS, Prefix};

/// The keys below a prefix.
///
/// ```
/// use audit_log::count::trie::{Node, Prefix};
///
/// // Below a prefix of four bytes, a key is packed into the other twelve.
/// let key = 0x018c_c251_f47b_7000_803f_0011_2233_4455;
/// let prefix = Prefix::path(key).nth(2).unwrap();
/// let leaf = Node::Leaf(vec![key]);
/// let bytes = leaf.pack(prefix);
/// assert_eq!(bytes.len(), 1 + 12);
/// assert_eq!(Node::unpack(prefix, &bytes), Ok(leaf));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// The keys themselves, sorted: at most [`MAX_LEAF_KEYS`].
    Leaf(Vec<u128>),
    /// How many keys lie below each child that has any.
    Inner {
        /// The greatest key that is counted.
        greatest: u128,
        /// The counts by digit.
        counts: BTreeMap<Digit, u64>,
    },
}

/// A summary of a subtree when it was last seen. It is a lower bound, because a subtree only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of keys.
    pub count: u64,
    /// The greatest key, or 0 if there is none.
    pub greatest: u128,
}

/// Bytes that are not a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpackable {
    /// A kind of node that this version does not know. Another version has written it.
    UnknownKind(u8),
    /// A node of a known kind whose bytes cannot be read.
    Broken,
}

/// One side of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The keys below the bound.
    Less,
    /// The bound and the keys above it.
    NotLess,
}

// The first byte of a packed node, its kind.
const LEAF: u8 = 1;
const INNER: u8 = 2;
/// The most bytes that a packed count has. Nine bytes with 7 bits each hold a count below 2⁶³.
const MAX_COUNT_BYTES: usize = 9;

impl Node {
    /// A node without keys.
    pub const EMPTY: Node = Node::Leaf(Vec::new());

    /// A summary of the keys below this node.
    pub fn summary(&self) -> Summary {
        match self {
            Node::Leaf(keys) => Summary {
                count: keys.len() as u64,
                greatest: keys.last().copied().unwrap_or(0),
            },
            Node::Inner { greatest, counts } => Summary {
                count: counts.values().sum(),
                greatest: *greatest,
            },
        }
    }

    /// Splits the keys of this node, which lies at `prefix`, at `bound`.
    ///
    /// Returns how many keys are certainly on one side of the bound, and how many lie below the one
    /// child that can have keys on both sides of it.
    pub fn split_at(&self, prefix: Prefix, bound: u128, side: Side) -> (u64, u64) {
        match self {
            Node::Leaf(keys) => {
                let less = keys.partition_point(|key| *key < bound);
                let certain = match side {
                    Side::Less => less,
                    Side::NotLess => keys.len() - less,
                };
                (certain as u64, 0)
            }
            // All keys are less.
            Node::Inner { greatest, counts } if *greatest < bound => match side {
                Side::Less => (counts.values().sum(), 0),
                Side::NotLess => (0, 0),
            },
            Node::Inner { counts, .. } => {
                // The bound lies below the child with this digit. All other children lie on one
                // side of it.
                let digit = prefix.digit(bound);
                let others = match side {
                    Side::Less => (Bound::Unbounded, Bound::Excluded(digit)),
                    Side::NotLess => (Bound::Excluded(digit), Bound::Unbounded),
                };
                let certain = counts.range(others).map(|(_, count)| count).sum();
                let undecided = counts.get(&digit).copied().unwrap_or(0);
                (certain, undecided)
            }
        }
    }

    /// Packs this node, which lies at `prefix`, into bytes.
    ///
    /// The first byte is the kind. A leaf continues with its keys. An inner node continues with its
    /// greatest key and a (digit, count) pair for each child, where the count is in LEB128. All
    /// keys are without the prefix.
    pub fn pack(&self, prefix: Prefix) -> Vec<u8> {
        let suffix = |key: &u128| key.to_be_bytes().into_iter().skip(prefix.bytes());
        let mut bytes = Vec::new();
        match self {
            Node::Leaf(keys) => {
                bytes.push(LEAF);
                bytes.extend(keys.iter().flat_map(suffix));
            }
            Node::Inner { greatest, counts } => {
                bytes.push(INNER);
                bytes.extend(suffix(greatest));
                for (digit, count) in counts {
                    let digit = digit.to_be_bytes();
                    bytes.extend(&digit[digit.len() - digit_bytes(prefix)..]);
                    pack_count(*count, &mut bytes);
                }
            }
        }
        bytes
    }

    /// Unpacks a node that [`pack`](Node::pack) packed.
    ///
    /// # Errors
    ///
    /// [`Unpackable`], which distinguishes an unknown form from broken bytes.
    pub fn unpack(prefix: Prefix, bytes: &[u8]) -> Result<Node, Unpackable> {
        match bytes.first() {
            None | Some(&LEAF | &INNER) => {
                Node::unpack_known(prefix, bytes).ok_or(Unpackable::Broken)
            }
            Some(kind) => Err(Unpackable::UnknownKind(*kind)),
        }
    }

    fn unpack_known(prefix: Prefix, bytes: &[u8]) -> Option<Node> {
        // A prefix that is a complete key has that one key. Its suffix has no bytes.
        if prefix.bytes() == KEY_BYTES {
            if bytes != [LEAF] {
                return None;
            }
            return Some(Node::Leaf(vec![prefix.first()]));
        }
        match bytes.split_first()? {
            (&LEAF, rest) => Node::unpack_leaf(prefix, rest),
            (&INNER, rest) => Node::unpack_inner(prefix, rest),
            _ => None,
        }
    }

    fn unpack_leaf(prefix: Prefix, bytes: &[u8]) -> Option<Node> {
        let suffixes = bytes.chunks_exact(KEY_BYTES - prefix.bytes());
        if !suffixes.remainder().is_empty() {
            return None;
        }
        let keys: Vec<u128> = suffixes.map(|suffix| key(prefix, suffix)).collect();
        let is_sorted = keys.is_sorted_by(|a, b| a < b);
        if !is_sorted || keys.len() > MAX_LEAF_KEYS {
            return None;
        }
        Some(Node::Leaf(keys))
    }

    fn unpack_inner(prefix: Prefix, bytes: &[u8]) -> Option<Node> {
        let (greatest, mut rest) = bytes.split_at_checked(KEY_BYTES - prefix.bytes())?;
        let mut counts = BTreeMap::new();
        while !rest.is_empty() {
            let (digit, after_digit) = rest.split_at_checked(digit_bytes(prefix))?;
            let (count, after_count) = unpack_count(after_digit)?;
            counts.insert(number(digit) as Digit, count);
            rest = after_count;
        }
        Some(Node::Inner {
            greatest: key(prefix, greatest),
            counts,
        })
    }
}

/// The number of bytes of a digit below `prefix`.
fn digit_bytes(prefix: Prefix) -> usize {
    prefix.child(0).bytes() - prefix.bytes()
}

/// The key with this prefix and this suffix.
fn key(prefix: Prefix, suffix: &[u8]) -> u128 {
    prefix.first() | number(suffix)
}

/// The number with these bytes, the most significant first.
fn number(bytes: &[u8]) -> u128 {
    let mut number: u128 = 0;
    for byte in bytes {
        number = (number << 8) | u128::from(*byte);
    }
    number
}

/// Appends a count in LEB128: 7 bits a byte, the least significant first. Each byte but the last
/// has its highest bit set.
fn pack_count(mut count: u64, bytes: &mut Vec<u8>) {
    while count >= 0x80 {
        bytes.push((count & 0x7f) as u8 | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
}

/// The count at the beginning of these bytes, and the bytes after it.
fn unpack_count(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0)?;
    if length > MAX_COUNT_BYTES {
        return None;
    }
    let (packed, rest) = bytes.split_at_checked(length)?;
    let mut count: u64 = 0;
    for byte in packed.iter().rev() {
        count = (count << 7) | u64::from(byte & 0x7f);
    }
    Some((count, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: u128 = 0x018c_c251_f47b_7000_803f_0011_2233_4455;

    /// Every prefix that a key has, the root among them.
    fn prefixes() -> impl Strategy<Value = Prefix> {
        (0..=15_usize, any::<u128>()).prop_map(|(at, key)| {
            std::iter::once(Prefix::ROOT)
                .chain(Prefix::path(key))
                .nth(at)
                .unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_packed_node_is_unpacked(
            prefix in prefixes(),
            keys in proptest::collection::btree_set(any::<u128>(), 0..=MAX_LEAF_KEYS),
            counts in proptest::collection::btree_map(any::<u16>(), 1..u64::MAX >> 1, 1..300),
            greatest: u128,
        ) {
            let within = |key: u128| prefix.first() | (key & (prefix.last() - prefix.first()));
            let keys: std::collections::BTreeSet<u128> = keys.into_iter().map(within).collect();
            prop_assume!(prefix.bytes() < KEY_BYTES || !keys.is_empty());
            let leaf = Node::Leaf(keys.into_iter().collect());
            prop_assert_eq!(Node::unpack(prefix, &leaf.pack(prefix)), Ok(leaf));
            if prefix.bytes() < KEY_BYTES {
                let digits = if prefix == Prefix::ROOT { u16::MAX } else { 0xff };
                let counts = counts.into_iter().map(|(digit, count)| (digit & digits, count)).collect();
                let inner = Node::Inner { greatest: within(greatest), counts };
                prop_assert_eq!(Node::unpack(prefix, &inner.pack(prefix)), Ok(inner));
            }
        }

        #[test]
        fn any_bytes_are_unpacked_without_a_panic(prefix in prefixes(), bytes: Vec<u8>) {
            if let Ok(node) = Node::unpack(prefix, &bytes) {
                node.summary();
            }
        }
    }

    #[test]
    fn a_packed_key_takes_12_bytes_and_a_packed_count_3() {
        let prefix = Prefix::path(KEY).nth(2).unwrap();
        assert_eq!(prefix.bytes(), 4);
        let keys = (0..MAX_LEAF_KEYS as u128).map(|low| prefix.first() + low);
        let leaf = Node::Leaf(keys.collect());
        assert_eq!(leaf.pack(prefix).len(), 1 + 256 * 12);
        let inner = Node::Inner {
            greatest: KEY,
            counts: (0..=255).map(|digit| (digit, 6553)).collect(),
        };
        assert_eq!(inner.pack(prefix).len(), 1 + 12 + 256 * 3);
    }

    #[test]
    fn an_unknown_kind_of_node_is_not_broken_bytes() {
        assert_eq!(
            Node::unpack(Prefix::ROOT, &[7, 1, 2]),
            Err(Unpackable::UnknownKind(7))
        );
        for broken in [&[][..], &[LEAF, 1], &[INNER, 1]] {
            assert_eq!(
                Node::unpack(Prefix::ROOT, broken),
                Err(Unpackable::Broken),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn a_bound_splits_a_node_into_certain_and_undecided() {
        let prefix = Prefix::path(KEY).nth(2).unwrap();
        let counts = BTreeMap::from([(0x10, 5), (0xf4, 7), (0xff, 1)]);
        let greatest = prefix.child(0xff).first();
        let inner = Node::Inner { greatest, counts };
        let less = |bound| inner.split_at(prefix, bound, Side::Less);
        assert_eq!(less(KEY), (5, 7));
        assert_eq!(inner.split_at(prefix, KEY, Side::NotLess), (1, 7));
        assert_eq!(inner.split_at(prefix, greatest + 1, Side::NotLess), (0, 0));
        assert_eq!(less(prefix.child(0x20).first()), (5, 0));
        assert_eq!(less(greatest), (12, 1));
        assert_eq!(
            less(greatest + 1),
            (13, 0),
            "the greatest key is less, so all are"
        );
    }
}
