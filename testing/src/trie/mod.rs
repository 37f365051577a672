//! The count index by itself: a storage in memory, and futures that run turn by turn.

mod memory;
mod turns;

pub use memory::{Cost, Fault, Faults, Memory, read_units};
pub use turns::{Task, count_turns, race, turn};
