//! audit-log: an immutable record of events, on AWS Lambda, API Gateway and DynamoDB.
//!
//! # The map
//!
//! Data flows one way. [`http`] reads a request, [`event`] validates it, [`store`] and [`count`]
//! talk to the tables, and [`http`] writes the response.
//!
//! | module | subject |
//! |---|---|
//! | [`create_event`] | `POST /events` |
//! | [`list_events`] | `GET /events` and what is below it, and `GET /log` |
//! | [`index_events`] | the stream of the events table, for the count index |
//! | [`seal_events`] | the stream of the events table, for the transparency log |
//! | [`stream`] | the payload of a stream, and the answer to it |
//! | [`event`] | a document, its id and its timestamp: parsing and rules, no I/O |
//! | [`store`] | the events and keys tables: append, get, list |
//! | [`tree`] | the transparency log: its entries, hashes, tiles and signed checkpoints, and their table |
//! | [`count`] | totals, and from a page number to an id: the live window, and the count index in the counts table |
//! | [`http`] | API Gateway payloads, query parameters, links, and problems, which are errors as callers see them |
//! | [`config`] | settings from the environment |
//! | [`dynamodb`] | the DynamoDB client, what it uses, and the check of each response |
//! | [`kms`] | the key that signs the transparency log |
//! | [`telemetry`] | log lines and metrics |
//! | [`limits`] | all durations that depend on each other |
//! | [`deps`] | what a handler needs, built once |
//! | [`effects`] | the clock, random numbers and metrics, as parameters |
//!
//! The `main` functions in `bin/` only connect these.
//!
//! # Invariants
//!
//! - An acknowledged event is in the table as it was sent. Nothing here can change or delete it:
//!   each write of an event is conditional on the absence of its key.
//! - An id is made from the event's own timestamp, so sorting ids sorts events. The id also says
//!   where the item is stored, and it is the cursor.
//! - An Idempotency-Key and its event are written in one transaction. A retry finds the first
//!   event, and a key never refers to an event that does not exist.
//! - A value whose type exists is valid. A [`NewEvent`](event::NewEvent) keeps every rule, and an
//!   [`EventId`](event::EventId) is a UUIDv7.
//! - A handler always returns a response. An `Err` to the Lambda runtime would become API Gateway's
//!   bare 500, without our body.
//! - The message for the caller and the cause for the logs are two texts.
//! - The count index can be late, and it is never wrong. Where it is not ready, events are counted
//!   from the table.
//! - Only `store`, the tables of `count` and `tree`, `dynamodb`, `kms` and `deps` name the AWS SDK.
//!   Only the handlers and `http` name HTTP.
//! - The clock and random numbers are parameters. Clippy's `disallowed-methods` holds this.
//! - Each environment variable is read in one place, [`config`].

pub mod config;
pub mod count;
pub mod create_event;
pub mod deps;
pub mod dynamodb;
pub mod effects;
pub mod event;
pub mod http;
pub mod index_events;
pub mod kms;
pub mod limits;
pub mod list_events;
pub mod seal_events;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod tree;
