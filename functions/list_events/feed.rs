//! `GET /events/feed`: events in the order in which they were sealed.
//!
//! That order is final. Nothing is ever inserted before an entry that was read, however late an
//! event is or whatever its timestamp says. So a reader that continues from `next` gets each event
//! once.

use std::fmt::Write;
use std::ops::Range;

use futures_util::future::try_join_all;
use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::{Body, Request, RequestExt};

use super::{ListEvents, problem};
use crate::http::{
    FeedQuery, MAX_EVENTS_BYTES, Problem, RETRY_SEALED_SECONDS, accepts_json, json_response,
    json_string_bytes,
};
use crate::store::SealedEvent;
use crate::tree::{Entry, TILE_WIDTH};

impl ListEvents {
    pub(super) async fn feed(&self, request: &Request) -> Result<Response<Body>, Problem> {
        accepts_json(request)?;
        let parameters = request.query_string_parameters();
        let query = FeedQuery::parse(&parameters, request.uri().query())?;

        let published = self.tree.checkpoint().await.map_err(problem)?;
        let sealed = published.map_or(0, |published| published.size);
        let page = query.entries(sealed);
        let page = page.ok_or_else(|| Problem::after_sealed(sealed))?;
        let entries = self.entries_in(&page).await?;

        let mut feed = Feed::starting_at(page.start);
        let reads = self.store.sealed(&entries, |event| feed.push(&event));
        reads.await.map_err(problem)?;
        let nothing_new = (page.start == sealed).then(|| {
            let seconds = HeaderValue::from(RETRY_SEALED_SECONDS);
            (header::RETRY_AFTER, seconds)
        });
        Ok(json_response(
            StatusCode::OK,
            nothing_new,
            feed.finish(sealed),
        ))
    }

    /// The entries with these indexes, in one round of reads.
    async fn entries_in(&self, indexes: &Range<u64>) -> Result<Vec<Entry>, Problem> {
        if indexes.is_empty() {
            return Ok(Vec::new());
        }
        let first = indexes.start / TILE_WIDTH;
        let bundles = first..indexes.end.div_ceil(TILE_WIDTH);
        let reads = bundles.map(|bundle| {
            let width = (indexes.end - bundle * TILE_WIDTH).min(TILE_WIDTH);
            self.entries(bundle, width)
        });
        let mut entries = try_join_all(reads).await?.concat();
        let before = (indexes.start - first * TILE_WIDTH) as usize;
        entries.drain(..before);
        Ok(entries)
    }
}

/// The body of the response, while it is written.
struct Feed {
    json: String,
    next: u64,
    /// The bytes that are left for events within the response of the function.
    bytes_left: usize,
}

impl Feed {
    fn starting_at(index: u64) -> Feed {
        Feed {
            json: r#"{"events":["#.to_owned(),
            next: index,
            bytes_left: MAX_EVENTS_BYTES,
        }
    }

    /// Adds what there is for the next entry. Returns `false`, and does not add it, if it does not
    /// fit any more. One event always fits.
    fn push(&mut self, sealed: &SealedEvent) -> bool {
        let index = self.next;
        let id = sealed.id;
        let element = match &sealed.event {
            Ok(event) => format!(r#"{{"index":{index},"id":"{id}","event":{}}},"#, event.json),
            Err(suspicion) => format!(
                r#"{{"index":{index},"id":"{id}","event":null,"problem":"{}"}},"#,
                suspicion.as_str()
            ),
        };
        let Some(bytes_left) = self.bytes_left.checked_sub(json_string_bytes(&element)) else {
            return false;
        };
        self.bytes_left = bytes_left;
        self.json.push_str(&element);
        self.next += 1;
        true
    }

    fn finish(mut self, sealed: u64) -> String {
        // A comma follows each event.
        if self.json.ends_with(',') {
            self.json.pop();
        }
        // Writing to a String does not fail.
        let _ = write!(self.json, r#"],"next":{},"sealed":{sealed}}}"#, self.next);
        self.json
    }
}
