//! Which request meets which fault.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::wire::Call;

/// What can become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing is done, and an error says so.
    Error(u16, &'static str),
    /// It is done, and the response is an error.
    DoneAndError(u16, &'static str),
    /// Nothing is done; the connection is reset.
    Reset,
    /// Nothing is done; the connection is reset, and for a moment no other is accepted.
    Refused,
    /// It is done; the connection is reset before the response.
    Lost,
    /// It is done; the response comes after the client has given the attempt up.
    SlowAnswer,
    /// It is done only after the client has given the attempt up.
    SlowWrite,
    /// It is done; the connection ends within the response.
    Truncated,
    /// It is done; the response has lost its end, or all of itself, and is whole as far as HTTP can
    /// tell.
    Shortened,
    /// Of the keys of a BatchGetItem some, or all, stay unprocessed.
    Partial,
    /// A transaction is cancelled, because another one has the item at this position.
    Conflict(usize),
    /// There never is a response.
    Silent,
}

/// The errors with which DynamoDB refuses because of load.
pub const THROTTLES: [Fault; 4] = [
    Fault::Error(
        400,
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    ),
    Fault::Error(400, "com.amazonaws.dynamodb.v20120810#RequestLimitExceeded"),
    Fault::Error(400, "com.amazon.coral.availability#ThrottlingException"),
    Fault::Error(400, "com.amazon.coral.service#ThrottlingError"),
];

/// Errors of DynamoDB's own, after which it is not known whether the request was done.
pub const SERVER_ERRORS: [Fault; 4] = [
    Fault::Error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    Fault::Error(
        503,
        "com.amazon.coral.availability#ServiceUnavailableException",
    ),
    Fault::DoneAndError(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    Fault::DoneAndError(
        503,
        "com.amazon.coral.availability#ServiceUnavailableException",
    ),
];

/// What a function meets that lost a permission.
pub const REFUSALS: [Fault; 2] = [
    Fault::Error(400, "com.amazon.coral.service#ExpiredTokenException"),
    // A permission that was taken away, or the table's key.
    Fault::Error(400, "com.amazon.coral.service#AccessDeniedException"),
];

/// What a transaction meets that races with others. The engine runs them one after another, so it
/// has none.
pub const CONFLICTS: [Fault; 2] = [Fault::Conflict(0), Fault::Conflict(1)];

/// The calls that the functions make, and so those that fail.
const OPERATIONS: [&str; 6] = [
    "PutItem",
    "TransactWriteItems",
    "DeleteItem",
    "GetItem",
    "BatchGetItem",
    "Query",
];

/// Which requests fail, and how.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The faults, each as likely as another.
    pub faults: Vec<Fault>,
    /// The share of puts and transactions that meet a fault. Only if it is high does one of them
    /// fail so often that the client gives it up.
    pub puts: f64,
    /// The share of all other requests that do. A list takes a dozen, so of many hardly one comes
    /// through.
    pub others: f64,
    /// Only requests to this table fail; without one, those to all tables.
    pub table: Option<&'static str>,
}

/// A plan, and the random numbers that decide by it.
pub(super) struct Schedule {
    rng: StdRng,
    pub plan: Plan,
    /// How often each fault was met.
    pub met: BTreeMap<Fault, usize>,
}

/// What the schedule has for a request.
pub(super) struct Drawn {
    pub fault: Fault,
    /// A random number from 0 to 1: how much of the response is left.
    pub share: f64,
}

impl Schedule {
    pub fn new(seed: u64) -> Schedule {
        Schedule {
            rng: StdRng::seed_from_u64(seed),
            plan: Plan::default(),
            met: BTreeMap::new(),
        }
    }

    /// The fault that this request meets, if it does.
    pub fn draw(&mut self, call: &Call) -> Option<Drawn> {
        if call.header("x-amz-target").is_empty() {
            // It only opens a connection, and has no place in the order of the others.
            let silent = self.plan.faults.contains(&Fault::Silent);
            return silent.then_some(Drawn {
                fault: Fault::Silent,
                share: 0.0,
            });
        }
        if !OPERATIONS.contains(&call.operation()) {
            return None;
        }
        // Drawn for every request, so that only the seed decides what the n-th meets.
        let meets: f64 = self.rng.random();
        let which: f64 = self.rng.random();
        let share: f64 = self.rng.random();
        if meets >= self.plan.rate(call) || !self.plan.concerns(call) {
            return None;
        }
        let faults = self.plan.faults_of(call);
        if faults.is_empty() {
            return None;
        }
        let fault = faults[(which * faults.len() as f64) as usize];
        *self.met.entry(fault).or_default() += 1;
        Some(Drawn { fault, share })
    }
}

impl Plan {
    /// The share of requests like this one that fail.
    fn rate(&self, call: &Call) -> f64 {
        match call.operation() {
            "PutItem" | "TransactWriteItems" => self.puts,
            _ => self.others,
        }
    }

    fn concerns(&self, call: &Call) -> bool {
        match self.table {
            Some(table) => String::from_utf8_lossy(&call.body).contains(table),
            None => true,
        }
    }

    /// The faults that this request can meet.
    fn faults_of(&self, call: &Call) -> Vec<Fault> {
        let applies = |fault: &Fault| match fault {
            Fault::Partial => call.operation() == "BatchGetItem",
            Fault::Conflict(_) => call.operation() == "TransactWriteItems",
            _ => true,
        };
        self.faults.iter().copied().filter(applies).collect()
    }
}
