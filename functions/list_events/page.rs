//! A list of everyone's events, or of the events with one value of a field.

use futures_util::future::try_join;

use super::{List, ListEvents, Wanted, fits, per_page};
use crate::event::Order;
use crate::http::Start;
use crate::store::{Error, Page, Selection};

impl ListEvents {
    /// The first page of `of_page`, and the total of the selection that it is a part of.
    pub(super) async fn page_from(
        &self,
        wanted: &Wanted<'_>,
        of_page: &Selection,
    ) -> Result<List, Error> {
        let Wanted {
            query, selection, ..
        } = wanted;
        let now = self.effects.now();
        let partitions = self.store.partitions(&selection.scope);
        let mut reader = self.store.page_reader(of_page, partitions, per_page(query));

        // The roots of the count index say whether there are more shards than the settings name.
        let index = self.count.index(&selection.scope);
        let (index, ()) = try_join(index, reader.start()).await?;
        reader.extend(index.unlisted());
        let mut fits = fits(wanted.format);
        let rows = reader.read(&mut fits).await?;
        if !query.total() {
            let page = self.store.page(rows, fits).await?;
            return Ok(List { page, total: None });
        }

        // The newest page has read some of the live window, or all of it.
        let is_newest = query.start() == Start::First && selection.order == Order::Descending;
        let seen = if is_newest { reader.seen() } else { Vec::new() };
        let total = self.count.total(&index, selection.range, &seen, now);
        let (page, total) = try_join(self.store.page(rows, fits), total).await?;
        let total = Some(total);
        Ok(List { page, total })
    }

    /// The page that follows the event at `rank`.
    pub(super) async fn page_by_number(
        &self,
        wanted: &Wanted<'_>,
        rank: u64,
    ) -> Result<List, Error> {
        let Wanted {
            query, selection, ..
        } = wanted;
        let now = self.effects.now();
        // The live window and the roots of the count index, in one round trip.
        let index = self.count.index(&selection.scope);
        let live = self.count.live(selection, now);
        let (index, live) = try_join(index, live).await?;

        // One read a level of the trie, down to the id at that rank.
        let located = self
            .count
            .locate(&index, live, selection, rank, now)
            .await?;
        let total = query.total().then_some(located.total);
        let Some(id) = located.id else {
            let page = Page::default();
            return Ok(List { page, total });
        };

        // The page that follows that id.
        let mut partitions = self.store.partitions(&selection.scope);
        partitions.extend(index.unlisted());
        let of_page = selection.after(id);
        let mut reader = self
            .store
            .page_reader(&of_page, partitions, per_page(query));
        let mut fits = fits(wanted.format);
        let rows = reader.read(&mut fits).await?;
        let page = self.store.page(rows, fits).await?;
        Ok(List { page, total })
    }
}
