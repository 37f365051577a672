//! `GET /log/{path+}`: the tiles of the transparency log, which are files of 256 hashes or entries.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, StatusCode, header};

use super::{ListEvents, problem};
use crate::http::{Problem, RequestContext, response};
use crate::tree::tile::{TilePlace, encode_entries, encode_hashes};
use crate::tree::{Entry, Hash, Tile, TileKind};

/// The type of a tile. Hashes are random, so a tile is never compressed.
const BYTES: &str = "application/octet-stream";
/// A tile never changes. `private`, because it is for callers who may read the log.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

impl ListEvents {
    pub(super) async fn tile(&self, context: &RequestContext) -> Result<Response<Body>, Problem> {
        let tile = context.file.as_deref().and_then(Tile::parse);
        let tile = tile.ok_or_else(Problem::file_not_found)?;
        let published = self.tree.checkpoint().await.map_err(problem)?;
        let size = published.map_or(0, |published| published.size);
        if !tile.is_in(size) {
            return Err(Problem::tile_beyond(size));
        }
        let bytes = match tile.kind {
            TileKind::Entries => encode_entries(&self.entries(tile.index, tile.width).await?),
            TileKind::Hashes(level) => {
                let index = tile.index;
                let place = TilePlace { level, index };
                encode_hashes(&self.hashes(place, tile.width).await?)
            }
        };
        let headers = [(header::CACHE_CONTROL, CACHE_CONTROL)];
        Ok(response(StatusCode::OK, BYTES, headers, bytes))
    }

    /// The first entries of a bundle, which the checkpoint says that the log has.
    pub(super) async fn entries(&self, bundle: u64, width: u64) -> Result<Vec<Entry>, Problem> {
        let entries = self.tree.entries(bundle, width).await.map_err(problem)?;
        entries.ok_or_else(|| lacking(TileKind::Entries, bundle, width))
    }

    /// The first hashes of a tile, which the checkpoint says that the log has.
    pub(super) async fn hashes(&self, place: TilePlace, width: u64) -> Result<Vec<Hash>, Problem> {
        let hashes = self.tree.hashes(place, width).await.map_err(problem)?;
        hashes.ok_or_else(|| lacking(TileKind::Hashes(place.level), place.index, width))
    }
}

/// The checkpoint promises a tile, and the table does not have it.
fn lacking(kind: TileKind, index: u64, width: u64) -> Problem {
    let tile = Tile { kind, index, width };
    Problem::internal(format!(
        "the tree table lacks a part of {tile}, which the checkpoint promises"
    ))
}
