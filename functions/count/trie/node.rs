//! A node: a set of keys, or counts; and how both are packed into bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Digit, KEY_BYTES, MAX_LEAF_KEYS, Prefix};

/// The keys below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// The keys themselves, sorted: at most [`MAX_LEAF_KEYS`].
    Leaf(Vec<u128>),
    /// How many keys lie below each child that has any.
    Inner {
        /// The greatest key that is counted.
        greatest: u128,
        /// By digit.
        counts: BTreeMap<Digit, u64>,
    },
}

/// A summary of a subtree when it was last seen. It is a lower bound, because a subtree only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many keys.
    pub count: u64,
    /// The greatest of them; 0 when there is none.
    pub greatest: u128,
}

/// Bytes that are not a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpackable {
    /// A kind of node that this version does not know: another version has written it.
    UnknownKind(u8),
    /// A node of a known kind whose bytes cannot be read.
    Broken,
}

/// A side of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Keys below it.
    Less,
    /// The bound and keys above it.
    NotLess,
}

const LEAF: u8 = 1;
const INNER: u8 = 2;

impl Node {
    /// A node that holds nothing.
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

    /// How many keys below this node, which lies at `prefix`, are certainly on one side of `bound`;
    /// and how many lie in the one child that has keys on both sides of it.
    pub fn split_at(&self, prefix: Prefix, bound: u128, side: Side) -> (u64, u64) {
        match self {
            Node::Leaf(keys) => {
                let less = keys.partition_point(|key| *key < bound);
                (
                    if side == Side::Less {
                        less
                    } else {
                        keys.len() - less
                    } as u64,
                    0,
                )
            }
            Node::Inner { greatest, counts } if *greatest < bound => (
                if side == Side::Less {
                    counts.values().sum()
                } else {
                    0
                },
                0,
            ),
            Node::Inner { counts, .. } => {
                let digit = prefix.digit(bound);
                let certain = match side {
                    Side::Less => (Bound::Unbounded, Bound::Excluded(digit)),
                    Side::NotLess => (Bound::Excluded(digit), Bound::Unbounded),
                };
                (
                    counts.range(certain).map(|(_, count)| count).sum(),
                    counts.get(&digit).copied().unwrap_or(0),
                )
            }
        }
    }

    /// This node, which lies at `prefix`, as bytes. A kind; then a leaf's keys without the prefix,
    /// or an inner node's greatest key without the prefix and (digit, count) pairs, the count in
    /// LEB128.
    pub fn pack(&self, prefix: Prefix) -> Vec<u8> {
        let suffix = |key: &u128| key.to_be_bytes().into_iter().skip(prefix.bytes());
        match self {
            Node::Leaf(keys) => std::iter::once(LEAF)
                .chain(keys.iter().flat_map(suffix))
                .collect(),
            Node::Inner { greatest, counts } => {
                let mut bytes: Vec<u8> = std::iter::once(INNER).chain(suffix(greatest)).collect();
                for (digit, count) in counts {
                    let digit = digit.to_be_bytes();
                    bytes.extend(&digit[digit.len() - digit_bytes(prefix)..]);
                    pack_count(*count, &mut bytes);
                }
                bytes
            }
        }
    }

    /// The node that [`pack`](Node::pack) packed.
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
        let suffix_bytes = KEY_BYTES - prefix.bytes();
        let key = |suffix: &[u8]| {
            suffix
                .iter()
                .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
                | prefix.first()
        };
        if suffix_bytes == 0 {
            // The one key of a prefix that is the whole key.
            return (bytes == [LEAF]).then(|| Node::Leaf(vec![prefix.first()]));
        }
        match bytes.split_first()? {
            (&LEAF, rest) => {
                let suffixes = rest.chunks_exact(suffix_bytes);
                let keys: Vec<u128> = if suffixes.remainder().is_empty() {
                    suffixes.map(key).collect()
                } else {
                    return None;
                };
                (keys.is_sorted_by(|a, b| a < b) && keys.len() <= MAX_LEAF_KEYS)
                    .then_some(Node::Leaf(keys))
            }
            (&INNER, rest) => {
                let (greatest, mut rest) = rest.split_at_checked(suffix_bytes)?;
                let mut counts = BTreeMap::new();
                while !rest.is_empty() {
                    let (digit, after) = rest.split_at_checked(digit_bytes(prefix))?;
                    let digit = digit
                        .iter()
                        .fold(0, |bits, byte| (bits << 8) | Digit::from(*byte));
                    counts.insert(digit, unpack_count(after, &mut rest)?);
                }
                Some(Node::Inner {
                    greatest: key(greatest),
                    counts,
                })
            }
            _ => None,
        }
    }
}

fn digit_bytes(prefix: Prefix) -> usize {
    prefix.child(0).bytes() - prefix.bytes()
}

fn pack_count(mut count: u64, bytes: &mut Vec<u8>) {
    while count >= 0x80 {
        bytes.push((count & 0x7f) as u8 | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
}

fn unpack_count<'a>(bytes: &'a [u8], rest: &mut &'a [u8]) -> Option<u64> {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let (count, after) = bytes.split_at_checked(length)?;
    *rest = after;
    (length <= 9).then(|| {
        count
            .iter()
            .rev()
            .fold(0, |bits, byte| (bits << 7) | u64::from(byte & 0x7f))
    })
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
        fn what_was_packed_is_unpacked(
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
        fn bytes_from_anywhere_do_no_harm(prefix in prefixes(), bytes: Vec<u8>) {
            if let Ok(node) = Node::unpack(prefix, &bytes) {
                node.summary();
            }
        }
    }

    #[test]
    fn a_packed_key_takes_12_bytes_and_a_packed_count_3() {
        let prefix = Prefix::path(KEY).nth(2).unwrap();
        let leaf = Node::Leaf(
            (0..MAX_LEAF_KEYS as u128)
                .map(|low| prefix.first() + low)
                .collect(),
        );
        assert_eq!((prefix.bytes(), leaf.pack(prefix).len()), (4, 1 + 256 * 12));
        let inner = Node::Inner {
            greatest: KEY,
            counts: (0..=255).map(|digit| (digit, 6553)).collect(),
        };
        assert_eq!(inner.pack(prefix).len(), 1 + 12 + 256 * 3);
    }

    #[test]
    fn a_kind_of_another_version_is_told_from_broken_bytes() {
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
