//! Reports events, one by one and in batches.

use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::FieldProblem;
use crate::retry::Attempt;
use crate::{
    Code, Document, Error, Log, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, Refusal, Response, gzip, random,
};

/// The type of a single event. A gateway passes `application/json` on as text, and damages what is
/// compressed.
const EVENT: HeaderValue = HeaderValue::from_static("application/vnd.audit-log+json");
/// The type of a batch with one element a line.
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// The coding of compressed bodies.
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// The header of a single event's key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A smaller body is not compressed: it would not shrink by much.
const MIN_COMPRESSED_BYTES: usize = 1024;
/// What an element of a batch has besides its document and its key.
const ELEMENT_BYTES: usize = r#"{"key":"","event":}"#.len() + 1;

/// What the log says about an event that it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the event.
    pub id: String,
    /// The hash of the event in the transparency log, in base64. Keep it if you want to be able to
    /// show later that the event is still the one that you reported.
    pub leaf: String,
    /// Whether this report recorded it. Otherwise an earlier one did, under the same key.
    pub is_new: bool,
}

#[derive(Deserialize)]
struct Recorded {
    id: String,
    leaf: String,
}

#[derive(Deserialize)]
struct Batch {
    results: Vec<Item>,
}

/// The result of an element: a [`Recorded`], or an error.
#[derive(Deserialize)]
struct Item {
    status: u16,
    id: Option<String>,
    leaf: Option<String>,
    code: Option<Code>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    fields: Vec<FieldProblem>,
}

#[derive(Serialize)]
struct Element<'a> {
    key: &'a str,
    event: &'a RawValue,
}

/// A document of a batch, and what came of it so far.
struct Pending {
    document: Document,
    key: String,
    result: Option<Result<Receipt, Error>>,
}

/// How a batch is written.
#[derive(Clone, Copy)]
enum Form {
    /// One element a line. A line that is no JSON has a result of its own.
    Lines,
    /// An array, for documents that have line breaks.
    Array,
}

impl Log {
    /// Reports an event, and repeats it under the same key until the log says that it is recorded
    /// or refused, or until the [deadline](Log::with_deadline). A document without a key gets a
    /// random one.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::{Document, Event};
    ///
    /// let event = Event::new("billing", "order_paid").user(7);
    /// let receipt = log.report(&event).await?;
    /// assert!(receipt.is_new);
    ///
    /// // A key of your own makes repetitions safe, even after a crash.
    /// let document = Document::from(&event).with_key("order-4711");
    /// let first = log.report(&document).await?;
    /// let second = log.report(&document).await?;
    /// assert_eq!(first.id, second.id);
    /// assert!(!second.is_new);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`]. After an [`Error::Unreachable`] and a 5xx, the event may have been recorded. Report
    /// the same document under a key of its own to find out.
    pub async fn report(&self, event: impl Into<Document>) -> Result<Receipt, Error> {
        let document = event.into();
        let key = key_of(&document)?;
        self.report_under(&key, &document).await
    }

    /// Reports many events, in requests of at most [`MAX_BATCH_EVENTS`] events and
    /// [`MAX_BATCH_BYTES`], one after the other. The results are in the order of the events. Only
    /// what is neither recorded nor refused is repeated, until the
    /// [deadline](Log::with_deadline) of each request.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::{Document, Event};
    ///
    /// let documents = [
    ///     Document::from(Event::new("billing", "order_paid")).with_key("order-4711"),
    ///     Document::new("{}"),
    /// ];
    /// let results = log.report_batch(&documents).await;
    /// assert!(results[0].is_ok());
    /// for (document, result) in documents.iter().zip(&results) {
    ///     if let Err(error) = result {
    ///         eprintln!("{}: {error}", document.text());
    ///     }
    /// }
    /// # assert!(results[1].is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn report_batch(&self, documents: &[Document]) -> Vec<Result<Receipt, Error>> {
        let mut results = Vec::with_capacity(documents.len());
        let mut rest = documents;
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            results.extend(self.report_one_batch(batch).await);
            rest = others;
        }
        results
    }

    async fn report_under(&self, key: &str, document: &Document) -> Result<Receipt, Error> {
        let mut request = self.post(EVENT, document.text().as_bytes())?;
        let value = HeaderValue::try_from(key).map_err(|error| Error::Json(error.to_string()))?;
        request.headers_mut().insert(IDEMPOTENCY_KEY, value);
        let url = request.url().clone();
        let response = self.http().send(request, self.reporting()).await?;
        receipt_of(response, &url)
    }

    async fn report_one_batch(&self, documents: &[Document]) -> Vec<Result<Receipt, Error>> {
        let mut pending: Vec<Pending> = documents.iter().map(Pending::new).collect();
        let has_breaks = |pending: &&mut Pending| pending.document.text().contains(['\r', '\n']);
        let (mut arrays, mut lines): (Vec<&mut Pending>, Vec<&mut Pending>) =
            pending.iter_mut().partition(has_breaks);
        self.settle(Form::Lines, &mut lines).await;
        self.settle(Form::Array, &mut arrays).await;
        let results = pending.into_iter().map(|pending| pending.result);
        // settle leaves no element without a result.
        results
            .map(|result| result.unwrap_or_else(|| Err(Error::Json("it was not sent".to_owned()))))
            .collect()
    }

    /// Sends the elements until each has its final result.
    async fn settle(&self, form: Form, elements: &mut [&mut Pending]) {
        let mut attempts = self.reporting().attempts();
        let mut open = open(elements);
        while !open.is_empty() {
            let (last, asked) = self.send_batch(form, &mut open).await;
            open.retain(|element| element.is_open());
            if open.is_empty() || !attempts.again(last, asked).await {
                return;
            }
        }
    }

    /// Sends the elements once. Returns what the next attempt depends on.
    async fn send_batch(
        &self,
        form: Form,
        open: &mut [&mut Pending],
    ) -> (Attempt, Option<Duration>) {
        match self.try_batch(form, open).await {
            Ok(progress) => progress,
            Err(error) => {
                for element in open {
                    element.result = Some(Err(error.clone()));
                }
                (Attempt::NoResponse, None)
            }
        }
    }

    async fn try_batch(
        &self,
        form: Form,
        open: &mut [&mut Pending],
    ) -> Result<(Attempt, Option<Duration>), Error> {
        let (content_type, body) = match form {
            Form::Lines => (LINES, lines(open)),
            Form::Array => match array(open) {
                Some(body) => (EVENT, body),
                // One of them is no JSON, and would break the array for all.
                None => return self.send_apart(open).await,
            },
        };
        let request = self.post(content_type, body.as_bytes())?;
        let url = request.url().clone();
        let response = self.http().send(request, crate::Retry::NEVER).await?;
        if response.status.is_client_error() && response.status != StatusCode::TOO_MANY_REQUESTS {
            // Something is wrong with the batch. If it is with one element, the others are recorded.
            if open.len() > 1 && is_about_elements(&response) {
                return self.send_apart(open).await;
            }
            return Err(response.refused(&url));
        }
        let attempt = Attempt::Status(response.status);
        let asked = response.retry_after();
        if response.status != StatusCode::OK {
            let error = response.refused(&url);
            for element in open {
                element.result = Some(Err(error.clone()));
            }
            return Ok((attempt, asked));
        }
        let results = results_of(&response.body, open.len(), &url)?;
        let mut worst = StatusCode::OK;
        for (element, item) in open.iter_mut().zip(results) {
            let status = StatusCode::from_u16(item.status);
            worst = worst.max(status.unwrap_or(StatusCode::BAD_REQUEST));
            element.result = Some(item.receipt(&url));
        }
        Ok((Attempt::Status(worst), asked))
    }

    /// Sends each element in a request of its own.
    async fn send_apart(
        &self,
        open: &mut [&mut Pending],
    ) -> Result<(Attempt, Option<Duration>), Error> {
        for element in open {
            let result = self.report_under(&element.key, &element.document).await;
            element.result = Some(result);
        }
        // They were repeated one by one.
        Ok((Attempt::Status(StatusCode::OK), None))
    }

    fn post(&self, content_type: HeaderValue, body: &[u8]) -> Result<Request, Error> {
        let mut request = Request::new(Method::POST, self.join("events")?);
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        let body = match body.len() < MIN_COMPRESSED_BYTES {
            true => body.to_vec(),
            false => {
                request.headers_mut().insert(CONTENT_ENCODING, GZIP);
                gzip::compress(body).map_err(|error| Error::Json(error.to_string()))?
            }
        };
        *request.body_mut() = Some(body.into());
        Ok(request)
    }
}

impl Pending {
    fn new(document: &Document) -> Pending {
        let (key, result) = match key_of(document) {
            Ok(key) => (key, None),
            Err(error) => (String::new(), Some(Err(error))),
        };
        Pending {
            document: document.clone(),
            key,
            result,
        }
    }

    /// Whether it is neither recorded nor refused.
    fn is_open(&self) -> bool {
        match &self.result {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => error.is_temporary(),
        }
    }
}

impl Item {
    fn receipt(self, url: &Url) -> Result<Receipt, Error> {
        match (self.status, self.id, self.leaf) {
            (status @ (200 | 201), Some(id), Some(leaf)) => Ok(Receipt {
                id,
                leaf,
                is_new: status == 201,
            }),
            (200 | 201, _, _) => Err(Error::not_a_log(
                url.as_str(),
                "a result has no id or no leaf",
            )),
            (status, _, _) => Err(Error::from(Box::new(Refusal {
                url: url.to_string(),
                status,
                code: self.code,
                message: self.error,
                request_id: None,
                fields: self.fields,
            }))),
        }
    }
}

/// The elements that have no final result.
fn open<'a>(elements: &'a mut [&mut Pending]) -> Vec<&'a mut Pending> {
    let elements = elements.iter_mut().map(|element| &mut **element);
    elements.filter(|element| element.is_open()).collect()
}

fn key_of(document: &Document) -> Result<String, Error> {
    match document.key() {
        Some(key) => Ok(key.to_owned()),
        None => random::key(),
    }
}

fn receipt_of(response: Response, url: &Url) -> Result<Receipt, Error> {
    let is_new = match response.status {
        StatusCode::CREATED => true,
        StatusCode::OK => false,
        _ => return Err(response.refused(url)),
    };
    let recorded: Recorded = serde_json::from_slice(&response.body)
        .map_err(|error| Error::not_a_log(url.as_str(), error))?;
    Ok(Receipt {
        id: recorded.id,
        leaf: recorded.leaf,
        is_new,
    })
}

fn results_of(body: &[u8], expected: usize, url: &Url) -> Result<Vec<Item>, Error> {
    let batch: Batch =
        serde_json::from_slice(body).map_err(|error| Error::not_a_log(url.as_str(), error))?;
    match batch.results.len() == expected {
        true => Ok(batch.results),
        false => Err(Error::not_a_log(
            url.as_str(),
            "it has not one result for each event",
        )),
    }
}

/// Whether a single element can be the reason that a batch is refused.
fn is_about_elements(response: &Response) -> bool {
    matches!(
        response.status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE
    )
}

/// How many of the documents fit into one request. At least one does.
fn batch_length(documents: &[Document]) -> usize {
    let mut bytes = 0;
    let fits = |document: &&Document| {
        let key_bytes = document.key().map_or(32, str::len);
        bytes += document.text().len() + key_bytes + ELEMENT_BYTES;
        bytes <= MAX_BATCH_BYTES
    };
    let length = documents
        .iter()
        .take(MAX_BATCH_EVENTS)
        .take_while(fits)
        .count();
    length.max(1)
}

/// One element a line. A text that is no JSON breaks its own line only, because it has no line
/// breaks. A key has no characters that JSON escapes but quotes and backslashes.
fn lines(open: &[&mut Pending]) -> String {
    let mut lines = String::new();
    for element in open {
        let key = serde_json::Value::from(element.key.as_str());
        lines.push_str(&format!("{{\"key\":{key},\"event\":"));
        lines.push_str(element.document.text());
        lines.push_str("}\n");
    }
    lines
}

/// An array. `None` if an element is no JSON.
fn array(open: &[&mut Pending]) -> Option<String> {
    let elements: Result<Vec<Element<'_>>, serde_json::Error> = open
        .iter()
        .map(|element| {
            let event: &RawValue = serde_json::from_str(element.document.text())?;
            let key = &element.key;
            Ok(Element { key, event })
        })
        .collect();
    serde_json::to_string(&elements.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_100_events_and_a_megabyte_at_most() {
        let small = vec![Document::new("{}"); 250];
        assert_eq!(batch_length(&small), 100);
        let large = vec![Document::new(" ".repeat(200_000)); 10];
        assert_eq!(batch_length(&large), 5);
        let too_large = [Document::new(" ".repeat(2_000_000))];
        assert_eq!(batch_length(&too_large), 1);
    }

    #[test]
    fn a_document_keeps_its_text_in_each_form() {
        let mut element = Pending::new(&Document::new("{\"a\": 1.0}").with_key("k\""));
        let open = [&mut element];
        assert_eq!(lines(&open), "{\"key\":\"k\\\"\",\"event\":{\"a\": 1.0}}\n");
        let mut element = Pending::new(&Document::new("{\"a\":\r\n 1.0}").with_key("k"));
        let open = [&mut element];
        let expected = "[{\"key\":\"k\",\"event\":{\"a\":\r\n 1.0}}]";
        assert_eq!(array(&open).as_deref(), Some(expected));
        let mut element = Pending::new(&Document::new("{},\n{}"));
        assert_eq!(array(&[&mut element]), None);
    }
}
