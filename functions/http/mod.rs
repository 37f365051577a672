//! HTTP as the two handlers see it: what a request says, and how an answer or an error is put. Whatever API Gateway sends,
//! there is an answer of ours.

mod answer;
mod body;
mod gateway;
mod links;
mod origin;
mod problem;
mod query;
mod serve;

pub use answer::{ANSWER_BYTES_MAX, LAMBDA_PAYLOAD_BYTES_MAX, json_string_bytes};
pub use body::{IDEMPOTENCY_KEY, document_text, idempotency_key};
pub use gateway::{GatewayAnswer, Payload, invoke, run};
pub use links::{LIST_LINKS, ListLinks};
pub use origin::Origin;
pub use problem::{Problem, Purpose};
pub use query::{ListQuery, PAGE_DEFAULT, PER_PAGE_DEFAULT, PER_PAGE_MAX};
pub use serve::serve;

pub(crate) use answer::answer;
pub(crate) use links::encode_path;
