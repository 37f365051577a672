//! The handlers behind API Gateway's payloads, on a store that always answers.

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
    Create,
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
        let (store, counts) = dynamodb.tables();
        let effects = Effects::system().with_clock(now);
        Functions {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            create: CreateEvent::new(audit_log::deps::Deps { store: store.clone(), counts: counts.clone(), effects: effects.clone() }),
            list: ListEvents::new(audit_log::deps::Deps { store, counts, effects }),
            dynamodb,
        }
    };
}

/// What a function answers to a payload, and the items that it wrote to the events table; an error for what is not JSON.
pub fn response(function: Function, payload: &[u8]) -> serde_json::Result<(Value, Vec<Value>)> {
    let event = LambdaEvent::new(serde_json::from_slice::<Payload>(payload)?, Context::default());
    FUNCTIONS.with(|Functions { runtime, dynamodb, create, list }| {
        let response = match function {
            Function::Create => runtime.block_on(invoke(event, |request| create.handle(request))),
            Function::List => runtime.block_on(invoke(event, |request| list.handle(request))),
        };
        Ok((serde_json::to_value(&response)?, dynamodb.take()))
    })
}
