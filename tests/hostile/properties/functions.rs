//! The handlers behind API Gateway's payloads, on a store that always answers.

use audit_log::boot::Sources;
use audit_log::create_event::CreateEvent;
use audit_log::http::{Payload, invoke};
use audit_log::list_events::ListEvents;
use lambda_http::{Context, LambdaEvent};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::now;
use super::store::Store;

/// One of the two functions behind API Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Create,
    List,
}

struct Functions {
    runtime: Runtime,
    store: Store,
    create: CreateEvent,
    list: ListEvents,
}

thread_local! {
    static FUNCTIONS: Functions = {
        let store = Store::default();
        let ((log, counts), sources) = (store.tables(), Sources::system().with_clock(now));
        Functions {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            create: CreateEvent::new(log.clone(), counts.clone(), sources.clone()),
            list: ListEvents::new(log, counts, sources),
            store,
        }
    };
}

/// What a function answers to a payload, and the items that it wrote to the events table; an error for what is not JSON.
pub fn answer(function: Function, payload: &[u8]) -> serde_json::Result<(Value, Vec<Value>)> {
    let event = LambdaEvent::new(serde_json::from_slice::<Payload>(payload)?, Context::default());
    FUNCTIONS.with(|Functions { runtime, store, create, list }| {
        let answer = match function {
            Function::Create => runtime.block_on(invoke(event, |request| create.handle(request))),
            Function::List => runtime.block_on(invoke(event, |request| list.handle(request))),
        };
        Ok((serde_json::to_value(&answer)?, store.take()))
    })
}
