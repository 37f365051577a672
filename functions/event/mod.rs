//! An event as its reporter sent it: what makes a document acceptable, its id and its timestamp.
//!
//! Nothing here does I/O, reads a clock or draws a random number.

mod document;
mod id;
mod json;
mod shards;
mod timestamp;

pub use document::{
    FieldProblem, MAX_AHEAD_OF_CLOCK, MAX_DOCUMENT_BYTES, MAX_FIELD_BYTES, NewEvent, Rejection, check_user_id,
};
pub use id::{EventId, IdRange};
pub use json::{MAX_DEPTH, first_difference, same_document};
pub use shards::{MAX_SHARDS, Shards, ShardsError};
pub use timestamp::{Timestamp, TimestampError};
