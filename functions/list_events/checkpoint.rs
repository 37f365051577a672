//! `GET /log/checkpoint`: the size and the root of the transparency log, signed.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, StatusCode, header};

use super::{ListEvents, problem};
use crate::http::{Problem, response};

/// The type of a checkpoint, and of a proof, which ends with one.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// The next checkpoint may be there at any moment.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

impl ListEvents {
    pub(super) async fn checkpoint(&self) -> Result<Response<Body>, Problem> {
        let published = self.tree.checkpoint().await.map_err(problem)?;
        let published = published.ok_or_else(Problem::nothing_sealed)?;
        let headers = [(header::CACHE_CONTROL, CACHE_CONTROL)];
        Ok(response(StatusCode::OK, TEXT, headers, published.note))
    }
}
