//! HTTP as the two handlers see it: what a request says, and how an answer or an error is put. Whatever API Gateway sends,
//! there is an answer of ours.

mod body;
mod context;
mod gateway;
mod links;
mod problem;
mod query;
mod response;
mod serve;

pub use body::{IDEMPOTENCY_KEY, document_text, idempotency_key};
pub use context::RequestContext;
pub use gateway::{GatewayResponse, Payload, invoke, run};
pub use links::ListLinks;
pub use problem::{Problem, Purpose};
pub use query::{DEFAULT_PAGE, DEFAULT_PER_PAGE, ListQuery, MAX_PER_PAGE};
pub use response::{MAX_EVENTS_BYTES, MAX_LAMBDA_PAYLOAD_BYTES, json_string_bytes};
pub use serve::serve;

pub(crate) use links::encode_path;
pub(crate) use response::json_response;
