//! One Query of one partition.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};

use super::schema::ID;
use super::{Error, EventStore, Partition};
use crate::event::IdRange;

/// The projection of an item to its id.
pub(super) const ID_ONLY: &str = "#id";

/// The Query of `partition` within `range`, or `None` when the range is empty.
pub(super) fn query(
    store: &EventStore,
    partition: &Partition,
    range: IdRange,
) -> Option<QueryFluentBuilder> {
    let (first, last) = range.sort_keys()?;
    let key = partition.key();
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .set_index_name(key.gsi.map(str::to_owned))
        // DynamoDB reads a GSI eventually consistent only.
        .consistent_read(key.gsi.is_none())
        .key_condition_expression("#partition = :partition AND #id BETWEEN :first AND :last")
        .expression_attribute_names("#partition", key.attribute)
        .expression_attribute_names("#id", ID)
        .expression_attribute_values(":partition", key.value)
        .expression_attribute_values(":first", AttributeValue::S(first))
        .expression_attribute_values(":last", AttributeValue::S(last))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
    Some(query)
}

/// Sends a Query. The SDK's future is large, so it is boxed.
pub(super) async fn send(query: QueryFluentBuilder) -> Result<QueryOutput, Error> {
    Box::pin(query.send())
        .await
        .map_err(|error| Error::from_sdk("Query", &error))
}

/// The read units that a Query consumed.
pub(super) fn read_units(output: &QueryOutput) -> f64 {
    output
        .consumed_capacity()
        .and_then(ConsumedCapacity::capacity_units)
        .unwrap_or_default()
}
