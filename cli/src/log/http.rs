//! HTTP requests that are repeated when they fail, as a reader of a log may.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use audit_log::effects::jitter;
use flate2::read::GzDecoder;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Request, StatusCode, Url};

use super::{Caller, LogError};

/// How often a request is sent at most.
const MAX_ATTEMPTS: u32 = 7;
/// How often a request is sent at most that makes the service fail. It may fail each time.
const MAX_FAILURES: u32 = 3;
/// The pause before the second attempt, at most. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A service that asks for a longer pause gets this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a response may take. A function has up to a minute.
const TIMEOUT: Duration = Duration::from_secs(90);
/// A longer body is refused. Lambda's responses have 6 MB at most.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// How much of an error's body is shown.
const MAX_MESSAGE_CHARS: usize = 300;

/// A client of one HTTP API.
pub struct Http {
    client: Client,
    caller: Caller,
}

/// A response that was read completely.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type, or nothing.
    pub content_type: String,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl Http {
    /// A client for the requests of this caller to the API at a URL.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreachable`], if the URL needs certificates and the system has none.
    pub fn new(url: &Url, caller: Caller) -> Result<Http, LogError> {
        let client = match url.scheme() {
            "https" => Client::builder(),
            _ => without_tls(),
        };
        let client = client
            .timeout(TIMEOUT)
            // A signature is for one host, and so is a token.
            .redirect(Policy::none())
            .build()
            .map_err(|error| LogError::Unreachable {
                url: url.to_string(),
                problem: chain(&error),
            })?;
        Ok(Http { client, caller })
    }

    /// `GET` of a URL. A request that was throttled, or that got no response, is repeated.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreachable`] if no attempt was answered, and [`LogError::Credentials`]. Any
    /// status is an answer, except those that mean that the request can be repeated.
    pub async fn get(&self, url: &Url) -> Result<Answer, LogError> {
        self.send(Method::GET, url, Vec::new()).await
    }

    /// `POST` of a body that can be repeated.
    ///
    /// # Errors
    ///
    /// As [`get`](Http::get).
    pub async fn post(&self, url: &Url, body: Vec<u8>) -> Result<Answer, LogError> {
        self.send(Method::POST, url, body).await
    }

    async fn send(&self, method: Method, url: &Url, body: Vec<u8>) -> Result<Answer, LogError> {
        let mut problem = String::new();
        let mut longest = FIRST_PAUSE;
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(jitter(longest)).await;
                longest = (longest * 2).min(LONGEST_PAUSE);
            }
            let mut request = Request::new(method.clone(), url.clone());
            // Compression saves transfer. On this machine there is none to save.
            if url.scheme() == "https" {
                let gzip = HeaderValue::from_static("gzip");
                request.headers_mut().insert(ACCEPT_ENCODING, gzip);
            }
            if !body.is_empty() {
                *request.body_mut() = Some(body.clone().into());
            }
            self.caller.authorize(&mut request).await?;
            match self.answer(request).await {
                Ok((answer, _)) if !can_be_repeated(answer.status, attempt + 1) => {
                    return Ok(answer);
                }
                Ok((answer, pause)) => {
                    problem = format!("{}: {}", answer.status, answer.message());
                    if let Some(pause) = pause {
                        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                    }
                }
                Err(failure) => problem = failure,
            }
        }
        Err(LogError::Unreachable {
            url: url.to_string(),
            problem,
        })
    }

    /// One attempt: the response, and how long it asks to wait.
    async fn answer(&self, request: Request) -> Result<(Answer, Option<Duration>), String> {
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| chain(&error))?;
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let is_compressed = header(CONTENT_ENCODING).as_deref() == Some("gzip");
        let pause = header(RETRY_AFTER)
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let status = response.status();

        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err("its response is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        if is_compressed {
            body = decompress(&body)?;
        }
        let answer = Answer {
            status,
            content_type,
            body,
        };
        Ok((answer, pause))
    }
}

impl Answer {
    /// The beginning of the body, for a person.
    pub fn message(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.trim().chars().take(MAX_MESSAGE_CHARS).collect()
    }

    /// The error that says what was answered.
    pub fn refused(&self, url: &Url) -> LogError {
        LogError::Refused {
            url: url.to_string(),
            status: self.status.as_u16(),
            message: self.message(),
        }
    }
}

/// A client for plain HTTP. It does not ask the system for certificates, because a system without
/// any, as a small Docker image, would have no client at all.
pub fn without_tls() -> ClientBuilder {
    Client::builder().tls_certs_only([])
}

/// Too many requests, or a server that did not do its work.
fn can_be_repeated(status: StatusCode, attempts: u32) -> bool {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => attempts < MAX_FAILURES,
        StatusCode::TOO_MANY_REQUESTS => true,
        _ => status.is_server_error(),
    }
}

fn decompress(gzip: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let limit = MAX_BODY_BYTES as u64 + 1;
    let mut decoder = GzDecoder::new(gzip).take(limit);
    let read = decoder.read_to_end(&mut body);
    let read = read.map_err(|error| format!("its response is not gzip: {error}"))?;
    if read > MAX_BODY_BYTES {
        return Err("its response is too long".to_owned());
    }
    Ok(body)
}

/// An error with its causes, because the first one only says that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}
