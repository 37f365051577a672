//! An event as its reporter sent it: the rules for a document, its id and its timestamp.
//!
//! Nothing here does I/O, reads a clock or draws a random number.

mod buckets;
mod difference;
mod document;
mod field;
mod id;
mod idempotency_key;
mod json;
mod members;
mod order;
mod shards;
mod syntax;
mod timestamp;
mod timestamp_error;

pub use buckets::Buckets;
pub use difference::{first_difference, same_document};
pub use document::{FieldProblem, MAX_AHEAD_OF_CLOCK, MAX_DOCUMENT_BYTES, NewEvent, Rejection};
pub use field::{Field, FieldValue, FieldValueError, Filters, FiltersError};
pub use id::{EventId, IdRange};
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyError};
pub use json::{MAX_DEPTH, MAX_NUMBER_CHARS};
pub use members::Members;
pub use order::Order;
pub use shards::{MAX_SHARDS, Shards, ShardsError};
pub use timestamp::{Exact, Timestamp};
pub use timestamp_error::{EpochUnit, TimestampError};
