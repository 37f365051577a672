//! What a request costs on DynamoDB: attempts and capacity units, added up while it runs.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodb::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{Capacity, ConsumedCapacity};

/// What was asked of DynamoDB, and what it charged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// HTTP requests sent, retries included.
    pub calls: u32,
    /// Capacity units of the tables themselves: write units for a put, read units for the rest.
    pub table_units: f64,
    /// Capacity units of their indexes.
    pub index_units: f64,
}

tokio::task_local! {
    static USAGE: Cell<Usage>;
}

impl Usage {
    /// Runs `future` and gives what it used beside its output. What it spawns is not counted.
    pub async fn of<T>(future: impl Future<Output = T>) -> (T, Usage) {
        USAGE
            .scope(Cell::default(), async {
                let output = future.await;
                (output, USAGE.with(Cell::get))
            })
            .await
    }

    fn add(more: impl FnOnce(&mut Usage)) {
        // Outside of `Usage::of` nobody asked for the figures.
        let _ = USAGE.try_with(|usage| {
            let mut sum = usage.get();
            more(&mut sum);
            usage.set(sum);
        });
    }
}

/// Adds up [`Usage`] for whatever the client sends.
#[derive(Debug)]
pub(super) struct Meter;

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Usage::add(|usage| usage.calls += 1);
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Ok(output)) = context.output_or_error() else { return Ok(()) };
        if let Some(output) = output.downcast_ref::<PutItemOutput>() {
            charge(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<QueryOutput>() {
            charge(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<GetItemOutput>() {
            charge(output.consumed_capacity());
        } else if let Some(output) = output.downcast_ref::<BatchGetItemOutput>() {
            charge(output.consumed_capacity());
        }
        Ok(())
    }
}

fn charge<'a>(capacities: impl IntoIterator<Item = &'a ConsumedCapacity>) {
    for capacity in capacities {
        let table = capacity.table().and_then(Capacity::capacity_units);
        let indexes = capacity.global_secondary_indexes().into_iter().flat_map(|indexes| indexes.values());
        let indexes: f64 = indexes.filter_map(Capacity::capacity_units).sum();
        Usage::add(|usage| {
            usage.table_units += table.unwrap_or_default();
            usage.index_units += indexes;
        });
    }
}
