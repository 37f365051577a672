//! The handlers behind API Gateway's payloads, on a store that always responds.

use audit_log::create_event::CreateEvent;
use audit_log::effects::Effects;
use audit_log::http::{Payload, invoke};
use audit_log::list_events::ListEvents;
use lambda_http::{Context, LambdaEvent};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::fake_dynamodb::FakeDynamoDb;
use super::now;

/// One of the two functions behind API Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `create-event`.
    Create,
    /// `list-events`.
    List,
}

struct Functions {
    runtime: Runtime,
    dynamodb: FakeDynamoDb,
    create: CreateEvent,
    list: ListEvents,
}

thread_local! {
    static FUNCTIONS: Functions = {
        let dynamodb = FakeDynamoDb::default();
        let deps = dynamodb.deps().with_effects(Effects::system().with_clock(now));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Functions {
            runtime,
            create: CreateEvent::new(deps.clone()),
            list: ListEvents::new(deps),
            dynamodb,
        }
    };
}

/// The response of a function to a payload, and the items that it wrote to the events table.
///
/// # Errors
///
/// The payload is not JSON.
pub fn response(function: Function, payload: &[u8]) -> serde_json::Result<(Value, Vec<Value>)> {
    let payload: Payload = serde_json::from_slice(payload)?;
    let event = LambdaEvent::new(payload, Context::default());
    FUNCTIONS.with(
        |Functions {
             runtime,
             dynamodb,
             create,
             list,
         }| {
            let response = match function {
                Function::Create => {
                    runtime.block_on(invoke(event, |request| create.handle(request)))
                }
                Function::List => runtime.block_on(invoke(event, |request| list.handle(request))),
            };
            Ok((serde_json::to_value(&response)?, dynamodb.take()))
        },
    )
}
