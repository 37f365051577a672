//! A list that is filtered by several fields: the GSI of one of them is read, and its entries are
//! compared with the values of the others.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::query::{ID_ONLY, query, read_units, send};
use super::stored::id_of;
use super::{Error, EventStore, Page, PageEnd, Selection, StoredEvent};
use crate::event::{EventId, FieldValue, Order};

/// How much of a GSI one request examines: what a Query reads at once, 1 MB, which costs 128 read
/// units. That is some 5,000 entries.
const MAX_READ_UNITS: f64 = 128.0;
/// How many entries are read at first if a few events are enough. Each later step reads twice as
/// many.
const FIRST_STEP: usize = 100;

/// The entries of a GSI that a request examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The events that match, in the order of the list.
    pub found: Vec<EventId>,
    /// The last entry that was examined, if more entries follow it.
    pub stopped_at: Option<EventId>,
}

impl EventStore {
    /// Examines the entries of a selection from its beginning, and finds the events that have these
    /// `values` too. Without `enough`, examines all entries that one Query reads. With it, examines
    /// no more after it has found so many events.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn scan(
        &self,
        selection: &Selection,
        values: &[FieldValue],
        enough: Option<usize>,
    ) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        let partitions = self.partitions(&selection.scope);
        let of_partition = |partition| query(self, partition, selection.range);
        let Some(query) = partitions.first().and_then(of_partition) else {
            return Ok(scan);
        };
        let mut query = having(query, values)
            .projection_expression(ID_ONLY)
            .scan_index_forward(selection.order == Order::Ascending);

        let mut step = FIRST_STEP;
        let mut units = 0.0;
        loop {
            if enough.is_some() {
                query = query.limit(i32::try_from(step).unwrap_or(i32::MAX));
            }
            let output = send(query.clone()).await?;
            units += read_units(&output);
            for item in output.items() {
                scan.found.push(id_of(item)?);
            }
            let Some(last) = output.last_evaluated_key else {
                scan.stopped_at = None;
                return Ok(scan);
            };
            scan.stopped_at = Some(id_of(&last)?);
            match enough {
                Some(enough) if scan.found.len() < enough && units < MAX_READ_UNITS => {}
                _ => return Ok(scan),
            }
            query = query.set_exclusive_start_key(Some(last));
            step *= 2;
        }
    }

    /// The page of a scan that begins after its first `skipped` events. It has at most `limit`
    /// events, and no more than `fits` accepts.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn page_of_scan(
        &self,
        scan: &Scan,
        skipped: usize,
        limit: usize,
        fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        let rest = scan.found.get(skipped..).unwrap_or_default();
        let ids = rest.get(..limit).unwrap_or(rest);
        let end = if ids.len() < rest.len() {
            PageEnd::Full
        } else {
            match scan.stopped_at {
                Some(id) => PageEnd::Unexamined { after: id },
                None => PageEnd::Last,
            }
        };
        self.page_of(ids, end, fits).await
    }
}

/// The Query of the entries that have these values too.
fn having(mut query: QueryFluentBuilder, values: &[FieldValue]) -> QueryFluentBuilder {
    let mut conditions = Vec::new();
    for value in values {
        let name = value.field().name();
        conditions.push(format!("#{name} = :{name}"));
        query = query
            .expression_attribute_names(format!("#{name}"), name)
            .expression_attribute_values(format!(":{name}"), AttributeValue::S(value.to_string()));
    }
    query.filter_expression(conditions.join(" AND "))
}
