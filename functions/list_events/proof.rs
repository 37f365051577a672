//! `GET /events/{id}/proof`: that the event, as it is now, is in the transparency log.

use std::ops::Range;

use futures_util::future::{try_join, try_join_all};
use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};

use super::checkpoint::TEXT;
use super::{ListEvents, id_of, problem};
use crate::http::{Problem, RequestContext, response};
use crate::tree::merkle::{inclusion_proof, root_by_inclusion};
use crate::tree::table::Published;
use crate::tree::tile::{Tiles, needed};
use crate::tree::{Checkpoint, Hash, Note, Proof};

impl ListEvents {
    pub(super) async fn proof(&self, context: &RequestContext) -> Result<Response<Body>, Problem> {
        let id = id_of(context)?;
        // The event as it is now, and the newest checkpoint.
        let reads = try_join(self.store.entry(id), self.tree.checkpoint());
        let (entry, published) = reads.await.map_err(problem)?;
        let entry = entry.ok_or_else(Problem::event_not_found)?;
        let published = published.ok_or_else(Problem::event_not_sealed)?;
        let checkpoint = read(&published)?;

        // The index of its leaf. An event that was changed has a leaf that the log does not have.
        let leaf = entry.leaf();
        let index = self.tree.leaf_index(&leaf).await.map_err(problem)?;
        let index = index.filter(|index| *index < checkpoint.size);
        let index = index.ok_or_else(Problem::event_not_sealed)?;

        // The hashes that lead from the leaf to the root.
        let ranges = inclusion_proof(index, checkpoint.size);
        let hashes = self.hashes_over(&ranges, checkpoint.size).await?;
        if root_by_inclusion(leaf, index, checkpoint.size, &hashes) != Some(checkpoint.root) {
            return Err(Problem::internal(format!(
                "the tree table contradicts its checkpoint of {} entries: the proof of entry \
                 {index} leads to another root",
                checkpoint.size
            )));
        }
        let proof = Proof {
            entry,
            index,
            hashes: &hashes,
            checkpoint: &published.note,
        };
        Ok(response(StatusCode::OK, TEXT, None, proof.to_string()))
    }

    /// The hashes over these ranges of leaves, in one round of reads.
    async fn hashes_over(&self, ranges: &[Range<u64>], size: u64) -> Result<Vec<Hash>, Problem> {
        let reads = needed(ranges).into_iter().map(async |place| {
            let hashes = self.hashes(place, place.at(size).width).await?;
            Ok::<_, Problem>((place, hashes))
        });
        let mut tiles = Tiles::default();
        for (place, hashes) in try_join_all(reads).await? {
            tiles.insert(place, hashes);
        }
        tiles
            .hashes(ranges)
            .ok_or_else(|| Problem::internal("a tile lacks a hash that a proof needs"))
    }
}

/// The checkpoint in a note. The signature is for the reader to verify.
fn read(published: &Published) -> Result<Checkpoint, Problem> {
    let note: Note = published.note.parse().map_err(unreadable)?;
    note.text().parse().map_err(unreadable)
}

fn unreadable(error: impl std::error::Error) -> Problem {
    Problem::internal(format!(
        "the checkpoint in the tree table cannot be read: {error}"
    ))
}
