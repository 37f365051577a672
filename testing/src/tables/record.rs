//! Events that get into the tables through the function that records them.

use audit_log::create_event::CreateEvent;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use lambda_http::Body;
use lambda_http::http::Response;

use super::Tables;
use crate::post_request;

impl Tables {
    /// `POST /events` at `now`.
    pub async fn post(
        &self,
        key: Option<&str>,
        document: String,
        now: Timestamp,
    ) -> Response<Body> {
        let effects = Effects::system().with_clock(move || now);
        self.post_with(key, document, effects).await
    }

    /// The same with a clock, random numbers and metrics of the test's own.
    pub async fn post_with(
        &self,
        key: Option<&str>,
        document: String,
        effects: Effects,
    ) -> Response<Body> {
        let function = CreateEvent::new(self.deps().with_effects(effects));
        function.handle(post_request(key, document)).await
    }
}
