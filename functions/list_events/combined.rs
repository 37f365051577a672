//! A list that is filtered by several fields at once.
//!
//! No index answers such a list. The GSI of one field is read, up to 1 MB of it in a request, and
//! its entries are compared with the values of the other fields. So a page can have fewer events
//! than were asked for and still be followed by another.

use super::{List, ListEvents, Wanted, fits, per_page, problem};
use crate::count::Total;
use crate::http::{Problem, Start};

impl ListEvents {
    /// The page of the events that have the other values too. Its total is what was found among the
    /// entries that the request examined.
    pub(super) async fn combined(&self, wanted: &Wanted<'_>) -> Result<List, Problem> {
        let Wanted {
            query, selection, ..
        } = wanted;
        let limit = per_page(query);
        let (examined, skipped) = match query.start() {
            Start::First => (selection.clone(), 0),
            Start::After(cursor) => (selection.after(cursor), 0),
            Start::AfterRank(rank) => (selection.clone(), rank.saturating_add(1)),
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        // Without a total, one event more than the page has shows that another page follows.
        let enough = skipped.saturating_add(limit).saturating_add(1);
        let enough = (!query.total()).then_some(enough);
        let scan = self.store.scan(&examined, &wanted.others, enough).await;
        let scan = scan.map_err(problem)?;

        if skipped > scan.found.len() && scan.stopped_at.is_some() {
            return Err(Problem::page_out_of_reach(query.page().get()));
        }
        let page = self
            .store
            .page_of_scan(&scan, skipped, limit, fits(wanted.format));
        let page = page.await.map_err(problem)?;
        let total = query.total().then_some(Total {
            events: scan.found.len() as u64,
            // The entries before a cursor were not examined.
            exact: scan.stopped_at.is_none() && query.cursor().is_none(),
        });
        Ok(List { page, total })
    }
}
