//! The place of a node in the trie.

use std::fmt;

use super::KEY_BYTES;

/// The bytes with which every key below a node begins. They identify the node.
///
/// ```
/// use audit_log::count::trie::Prefix;
///
/// let key = 0x018c_c251_f47b_7000_803f_0011_2233_4455;
/// let path: Vec<String> = Prefix::path(key).map(|prefix| prefix.to_string()).collect();
/// assert_eq!(path[..3], ["018c", "018cc2", "018cc251"]);
/// assert_eq!(path.len(), 15);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The bytes of the prefix, followed by zeros.
    bits: u128,
    bytes: u8,
}

/// The part of a key that leads from a node to one of its children: the next byte, or the first two
/// bytes from the root.
pub type Digit = u16;

/// How many bytes the root's digit has. The first two bytes of an id change every 2³² ms (49.7
/// days), so a level between them would cost a read and a write and have no use.
const ROOT_DIGIT_BYTES: u8 = 2;

impl Prefix {
    /// The prefix of the root, the node above all others.
    pub const ROOT: Prefix = Prefix { bits: 0, bytes: 0 };

    /// The number of bytes: 0, or 2 to 16.
    pub fn bytes(self) -> usize {
        usize::from(self.bytes)
    }

    /// The prefix of the child that `digit` leads to.
    #[must_use]
    pub fn child(self, digit: Digit) -> Prefix {
        let bytes = self.bytes + self.digit_bytes();
        Prefix {
            bits: self.bits | (u128::from(digit) << shift(bytes)),
            bytes,
        }
    }

    /// The digit of the child that `key` lies below. The key must lie below this node.
    pub fn digit(self, key: u128) -> Digit {
        let digit_bytes = self.digit_bytes();
        let mask = (1 << (8 * u32::from(digit_bytes))) - 1;
        ((key >> shift(self.bytes + digit_bytes)) & mask) as Digit
    }

    /// The greatest key that can lie below this node.
    pub fn last(self) -> u128 {
        let rest = if self.bytes == 0 {
            u128::MAX
        } else {
            (1 << shift(self.bytes)) - 1
        };
        self.bits | rest
    }

    /// The smallest key that can lie below this node.
    pub fn first(self) -> u128 {
        self.bits
    }

    /// The nodes that `key` can lie below, from the first one below the root to the key itself.
    pub fn path(key: u128) -> impl Iterator<Item = Prefix> {
        let child = move |prefix: &Prefix| {
            if prefix.bytes() == KEY_BYTES {
                return None;
            }
            Some(prefix.child(prefix.digit(key)))
        };
        std::iter::successors(child(&Prefix::ROOT), child)
    }

    fn digit_bytes(self) -> u8 {
        if self.bytes == 0 { ROOT_DIGIT_BYTES } else { 1 }
    }
}

/// How many bits of a key follow its first `bytes` bytes.
fn shift(bytes: u8) -> u32 {
    8 * (KEY_BYTES as u32 - u32::from(bytes))
}

/// The bytes in hex. The root has none, so its text is empty.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bits.to_be_bytes();
        for byte in &bytes[..self.bytes()] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_two_bytes_and_then_one_at_a_time() {
        let key = 0x018c_c251_f47b_7000_803f_0011_2233_4455;
        let path: Vec<_> = Prefix::path(key).map(|prefix| prefix.to_string()).collect();
        assert_eq!(path.len(), 15);
        assert_eq!(path[..3], ["018c", "018cc2", "018cc251"]);
        assert_eq!(path[14], "018cc251f47b7000803f001122334455");
        assert_eq!(Prefix::ROOT.to_string(), "");
        for prefix in Prefix::path(key) {
            assert!((prefix.first()..=prefix.last()).contains(&key), "{prefix}");
        }
        assert_eq!(Prefix::path(u128::MAX).last().unwrap().last(), u128::MAX);
        assert_eq!(Prefix::ROOT.first(), 0);
        assert_eq!(Prefix::ROOT.last(), u128::MAX);
    }
}
