//! The stretch of a log's time that belongs to one test.
//!
//! A deployed log may hold anything, and keeps what tests write. So each test writes to, and looks
//! at, a stretch of the past that no other test has.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::App;
use crate::{Response, event_with};

/// How many seconds belong to a test.
const SECONDS: u32 = 100;

/// Of a billion and more seconds of the past, one that no other test is likely to draw.
pub(super) fn draw() -> i64 {
    rand::random_range(86_400..1_700_000_000)
}

impl App {
    /// The test's n-th second: `2001-02-03T04:05:06`, in UTC.
    pub fn second(&self, n: u32) -> String {
        self.second_at(n, 0)
    }

    /// The same where clocks are `minutes` ahead of UTC.
    pub fn second_at(&self, n: u32, minutes: i32) -> String {
        let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
        let at = OffsetDateTime::from_unix_timestamp(self.first_second + i64::from(n)).unwrap();
        let mut text = at.to_offset(offset).format(&Rfc3339).unwrap();
        text.truncate("2001-02-03T04:05:06".len());
        text
    }

    /// The query parameters that select the test's stretch of time.
    pub fn stretch(&self) -> String {
        format!("from={}Z&to={}Z", self.second(0), self.second(SECONDS))
    }

    /// An event of `user` in the test's n-th second, with some `app_data`.
    pub fn event(&self, user: &str, n: u32, app_data: &str) -> String {
        event_with(user, &format!("{}Z", self.second(n)), app_data)
    }

    /// A key that no other test has: a log keeps keys for ever.
    pub fn key(&self, name: &str) -> String {
        format!("{name}-{:08x}", self.first_second)
    }

    /// `POST /events` under an `Idempotency-Key` of the test's own.
    pub async fn post_under(&self, name: &str, document: String) -> Response {
        self.post_with(&[("idempotency-key", &self.key(name))], document)
            .await
    }

    /// The list of the test's stretch of time, with more parameters.
    pub async fn list(&self, parameters: &str) -> Response {
        let separator = if parameters.is_empty() { "" } else { "&" };
        self.get(&format!(
            "/events?{}{separator}{parameters}",
            self.stretch()
        ))
        .await
    }

    /// How many events the test's stretch of time holds.
    pub async fn total(&self) -> u64 {
        let page = self.list("per_page=1").await.json();
        // cargo prints it if the test fails.
        println!("{page}");
        page["total"].as_u64().unwrap()
    }
}
