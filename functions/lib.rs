//! audit-log: an immutable record of what happened, on AWS Lambda, API Gateway and DynamoDB.
//!
//! # The map
//!
//! Data flows one way: a request is read by [`http`], becomes something valid in [`event`], meets the table in
//! [`log`] and [`count`], and leaves through [`http`] as an answer.
//!
//! | module | what it is about |
//! |---|---|
//! | [`create_event`] | `POST /events` |
//! | [`list_events`] | `GET /events` and `GET /events/{id}` |
//! | [`index_events`] | the events table's stream |
//! | [`event`] | a document, its id, its timestamp: parsing and rules, no I/O |
//! | [`log`] | the events table: append, get, list |
//! | [`count`] | totals, and from a page number to an id: the live window, and the index in the counts table |
//! | [`http`] | API Gateway's payloads, query parameters, links, and problems: errors as callers see them |
//! | [`boot`] | settings from the environment, the DynamoDB client, the clock and chance |
//!
//! The functions' `main`s in `bin/` only wire these together.
//!
//! # What always holds
//!
//! - An event that was answered with 201 or 200 is in the table, as it was sent, and nothing here can change or
//!   delete it: the only write to it is conditional on there being none.
//! - An id is made from the event's own timestamp, so sorting ids sorts events. It says where its item lies, and it is
//!   the cursor.
//! - An Idempotency-Key and its event are written in one transaction, so a retry finds the first event, and no key is
//!   taken for an event that is not there.
//! - A type that exists is valid: a [`NewEvent`](event::NewEvent) keeps every rule, an
//!   [`EventId`](event::EventId) is a UUIDv7.
//! - A handler always returns an answer. What the caller reads and what the log reads about an error are two texts.
//! - The index can be late, never wrong: where it is not ready, or cannot be right, the events are counted.
//! - Only `log`, `count`'s table and `boot` name the AWS SDK, only the handlers and `http` name HTTP, only `boot` reads the clock,
//!   the environment and random numbers.

pub mod boot;
pub mod count;
pub mod create_event;
pub mod event;
pub mod http;
pub mod index_events;
pub mod list_events;
pub mod log;
