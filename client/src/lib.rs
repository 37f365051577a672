//! A client of the audit log. It reports events so that none is lost or doubled, and reads them
//! without missing or repeating one.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let app = audit_log_testing::App::start().await;
//! # let url = app.url();
//! use audit_log_client::{Auth, Event, Filter, Log};
//! use futures_util::TryStreamExt;
//! use serde_json::json;
//!
//! let log = Log::new(url, Auth::from_environment(url, None).await)?;
//!
//! let event = Event::new("billing", "order_paid")
//!     .user(7)
//!     .invariant_data(json!({ "amount": 1000 }));
//! let receipt = log.report(event).await?;
//!
//! let mut events = log.list(&Filter::new().user_id("7"));
//! while let Some(event) = events.try_next().await? {
//!     assert_eq!(event.id(), receipt.id);
//!     println!("{}", event.text());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | item | subject |
//! |---|---|
//! | [`Log`] | the log, and its routes |
//! | [`Auth`] | how a deployed log knows who calls |
//! | [`Event`], [`Document`] | what is reported, and under which key |
//! | [`Filter`] | which events a list has |
//! | [`RecordedEvent`] | an event as the log returns it, with its text unchanged |
//! | [`Error`], [`Code`] | why a request failed |
//! | [`fit()`] | makes a text fit that a stranger chose |
//! | [`Http`] | requests that are repeated when they fail, for other routes and services |
//!
//! # Retries
//!
//! A request is repeated if the service was throttled, if it failed, or if the connection broke.
//! [`Retry`] says how often. An event is always reported under a key, so that a repetition records
//! nothing twice.

mod auth;
mod clock;
mod document;
mod error;
mod event;
mod feed;
mod filter;
mod fit;
mod gzip;
mod http;
mod list;
mod log;
mod random;
mod recorded;
mod report;
mod retry;

pub use auth::{API_GATEWAY, Auth, Aws};
pub use document::Document;
pub use error::{Code, Error, FieldProblem, Refusal};
pub use event::Event;
pub use feed::{FeedEntry, FeedPage, FeedProblem};
pub use filter::{Filter, Order};
pub use fit::fit;
pub use http::{Http, Response, without_tls};
pub use list::{Format, Page, TextPage, Total};
pub use log::Log;
pub use recorded::RecordedEvent;
pub use report::Receipt;
pub use retry::Retry;

/// What is in a list at most.
pub const MAX_PER_PAGE: u16 = 1000;
/// What one request reports at most.
pub const MAX_BATCH_EVENTS: usize = 100;
/// How many bytes of documents one request of this client reports, unless a single document is
/// longer. The service accepts four times as much.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// How many bytes a document has at most.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
