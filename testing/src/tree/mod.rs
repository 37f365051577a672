//! The transparency log by itself: keys, events to seal, and a storage in memory.

mod events;
mod key;
mod memory;

pub use events::{entry, image, insert, seal_batch};
pub use key::TestKey;
pub use memory::{Items, TreeFaults, TreeMemory};
