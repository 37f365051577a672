//! Sends batches, and says what came of each event.

use audit_log_client::{Error, Log, Receipt, Refusal, Retry};

use super::batches::Batch;

/// What came of an entry.
#[derive(Debug)]
pub struct Settled {
    /// The line of the input.
    pub line: u64,
    /// What the log says.
    pub result: Result<Receipt, Problem>,
}

/// Why an event was not recorded, and will not be unless it is changed.
#[derive(Debug)]
pub enum Problem {
    /// It could not be sent.
    Unusable(String),
    /// The log refused it.
    Refused(Box<Refusal>),
}

/// What came of a batch.
#[derive(Debug)]
pub struct Sent {
    /// Its entries that are recorded or refused.
    pub settled: Vec<Settled>,
    /// Why others are neither. There is no use in sending more.
    pub failure: Option<Error>,
}

/// The statuses that an event can cause. Others are about the log, the caller or the network.
const ABOUT_THE_EVENT: [u16; 4] = [400, 413, 415, 422];

/// Checks that a log responds. A caller that may only report gets a 403, which is a response, too.
pub async fn probe(log: &Log) -> Result<(), Error> {
    let once = log.clone().with_read_retry(Retry::NEVER);
    let response = once.get("events?per_page=1&total=false").await?;
    match response.status.as_u16() {
        200 | 403 => Ok(()),
        _ => Err(response.refused(log.url())),
    }
}

/// Sends a batch, and repeats what was not settled.
pub async fn send(log: &Log, batch: Batch) -> Sent {
    let mut sent = Sent {
        settled: Vec::with_capacity(batch.len()),
        failure: None,
    };
    let mut documents = Vec::with_capacity(batch.len());
    let mut lines = Vec::with_capacity(batch.len());
    for entry in batch {
        match entry.document {
            Ok(document) => {
                documents.push(document);
                lines.push(entry.line);
            }
            Err(problem) => sent.settled.push(Settled {
                line: entry.line,
                result: Err(Problem::Unusable(problem)),
            }),
        }
    }
    let results = log.report_batch(&documents).await;
    for (line, result) in lines.into_iter().zip(results) {
        let result = match result {
            Ok(receipt) => Ok(receipt),
            Err(Error::Refused(refusal)) if is_about_the_event(&refusal) => {
                Err(Problem::Refused(refusal))
            }
            Err(failure) => {
                sent.failure = Some(failure);
                continue;
            }
        };
        sent.settled.push(Settled { line, result });
    }
    sent.settled.sort_by_key(|settled| settled.line);
    sent
}

fn is_about_the_event(refusal: &Refusal) -> bool {
    refusal.code.is_some() && ABOUT_THE_EVENT.contains(&refusal.status)
}

/// A sentence or several clauses, without a full stop.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refusal = match self {
            Problem::Unusable(problem) => return f.write_str(problem),
            Problem::Refused(refusal) => refusal,
        };
        if refusal.fields.is_empty() {
            return f.write_str(refusal.message.trim_end_matches('.'));
        }
        for (number, problem) in refusal.fields.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", problem.field, problem.problem)?;
        }
        Ok(())
    }
}
