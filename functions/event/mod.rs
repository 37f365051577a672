//! An event as its reporter sent it: what makes a document acceptable, its id and its timestamp.
//!
//! Nothing here does I/O, reads a clock or draws a random number.

mod document;
mod id;
mod json;
mod shards;
mod timestamp;

pub use document::{DOCUMENT_BYTES_MAX, FIELD_BYTES_MAX, FUTURE_MAX, FieldProblem, NewEvent, Rejection, check_user_id};
pub use id::{EventId, IdRange};
pub use json::{DEPTH_MAX, first_difference, same_document};
pub use shards::{SHARDS_MAX, Shards, ShardsError};
pub use timestamp::{Timestamp, TimestampError};
