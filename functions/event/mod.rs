//! An event as its reporter sent it: the rules for a document, its id and its timestamp.
//!
//! Nothing here does I/O, reads a clock or draws a random number.

mod difference;
mod document;
mod id;
mod idempotency_key;
mod json;
mod shards;
mod timestamp;
mod user_id;

pub use difference::{first_difference, same_document};
pub use document::{
    FieldProblem, MAX_AHEAD_OF_CLOCK, MAX_DOCUMENT_BYTES, MAX_FIELD_BYTES, NewEvent, Rejection,
};
pub use id::{EventId, IdRange};
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyError};
pub use json::MAX_DEPTH;
pub use shards::{MAX_SHARDS, Shards, ShardsError};
pub use timestamp::{Timestamp, TimestampError};
pub use user_id::{UserId, UserIdError};
