//! The cost of a request on DynamoDB: attempts and capacity units, added up while it runs.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::types::{Capacity, ConsumedCapacity};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// The requests to DynamoDB, and what they consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// HTTP requests sent, retries included.
    pub calls: u32,
    /// The longest chain of operations that had to wait for each other: the round trips in
    /// sequence.
    pub rounds: u32,
    /// Read units.
    pub read: Units,
    /// Write units.
    pub written: Units,
}

/// Capacity units:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Those of the tables themselves.
    pub tables: f64,
    /// Those of their GSIs.
    pub indexes: f64,
}

impl Units {
    /// Those of both.
    pub fn total(self) -> f64 {
        self.tables + self.indexes
    }
}

tokio::task_local! {
    static USAGE: Cell<Usage>;
}

impl Usage {
    /// Runs `future`, and returns its output and its usage. Tasks that it spawns are not counted.
    pub async fn of<T>(future: impl Future<Output = T>) -> (T, Usage) {
        USAGE
            .scope(Cell::default(), async {
                let output = future.await;
                (output, USAGE.with(Cell::get))
            })
            .await
    }

    fn add(more: impl FnOnce(&mut Usage)) {
        // This fails outside of `Usage::of`, where no caller needs the figures.
        let _ = USAGE.try_with(|usage| {
            let mut sum = usage.get();
            more(&mut sum);
            usage.set(sum);
        });
    }
}

/// Adds up the [`Usage`] of all operations of a client.
#[derive(Debug)]
pub(super) struct Meter;

/// The place of an operation in its chain: 1 + the longest chain that had ended when it began.
#[derive(Debug)]
struct Round(u32);

impl Storable for Round {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Usage::add(|usage| {
            bag.interceptor_state().store_put(Round(usage.rounds + 1));
        });
        Ok(())
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
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Round(round)) = bag.load::<Round>() {
            Usage::add(|usage| usage.rounds = usage.rounds.max(*round));
        }
        let Some(Ok(output)) = context.output_or_error() else {
            return Ok(());
        };
        if let Some(output) = output.downcast_ref::<PutItemOutput>() {
            Usage::add(|usage| usage.written.add(output.consumed_capacity()));
        } else if let Some(output) = output.downcast_ref::<TransactWriteItemsOutput>() {
            Usage::add(|usage| usage.written.add(output.consumed_capacity()));
        } else if let Some(output) = output.downcast_ref::<QueryOutput>() {
            Usage::add(|usage| usage.read.add(output.consumed_capacity()));
        } else if let Some(output) = output.downcast_ref::<GetItemOutput>() {
            Usage::add(|usage| usage.read.add(output.consumed_capacity()));
        } else if let Some(output) = output.downcast_ref::<BatchGetItemOutput>() {
            Usage::add(|usage| usage.read.add(output.consumed_capacity()));
        }
        Ok(())
    }
}

impl Units {
    fn add<'a>(&mut self, capacities: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        for capacity in capacities {
            let table = capacity.table().and_then(Capacity::capacity_units);
            self.tables += table.unwrap_or_default();
            let Some(indexes) = capacity.global_secondary_indexes() else {
                continue;
            };
            for index in indexes.values() {
                self.indexes += index.capacity_units().unwrap_or_default();
            }
        }
    }
}
