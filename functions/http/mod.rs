//! HTTP as the two handlers see it: reading a request, and writing a response or an error. Whatever
//! API Gateway sends, the response is ours.

mod accept;
mod body;
mod content_encoding;
mod context;
mod encoding;
mod error_code;
mod feed_query;
mod format;
mod gateway;
mod histogram_query;
mod links;
mod problem;
mod query;
mod response;
mod route;
mod serve;
mod submission;
mod unicode;
mod weights;

pub use accept::accepts_json;
pub use body::{IDEMPOTENCY_KEY, idempotency_key};
pub use context::RequestContext;
pub use error_code::ErrorCode;
pub use feed_query::FeedQuery;
pub use format::{Format, ListPage, UnreadableEvent};
pub use gateway::{GatewayResponse, Payload, invoke, run};
pub use histogram_query::{HistogramQuery, MAX_BUCKETS, no_parameters};
pub use links::ListLinks;
pub use problem::{Problem, Purpose};
pub use query::{ListQuery, MAX_PER_PAGE, PageNumber, PerPage, Start};
pub use response::{MAX_EVENTS_BYTES, MAX_LAMBDA_PAYLOAD_BYTES, json_string_bytes};
pub use route::Route;
pub use serve::serve;
pub use submission::{
    Element, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BATCH_SENT_BYTES, Submission, submission,
};

pub(crate) use links::encode_path;
pub(crate) use problem::RETRY_SEALED_SECONDS;
pub(crate) use response::{json_response, response};
