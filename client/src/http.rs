//! HTTP requests that are repeated when they fail.

use std::fmt;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Request, RequestBuilder, StatusCode, Url};

use crate::gzip;
use crate::retry::Attempt;
use crate::{Auth, Error, Refusal, Retry};

/// How long a response may take. A function has up to a minute.
const TIMEOUT: Duration = Duration::from_secs(90);
/// A longer body is refused. Lambda's responses have 6 MB at most.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// A client of one HTTP API. It is cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: Client,
    auth: Auth,
}

/// A response that was read completely.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers, as they were sent.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// How many bytes the body had as it was sent.
    pub sent_bytes: usize,
}

impl Http {
    /// A client for the requests of one caller to the API at a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], if the URL needs certificates and the system has none.
    pub fn new(url: &Url, auth: Auth) -> Result<Http, Error> {
        let mut client = match url.scheme() {
            "https" => Client::builder(),
            _ => without_tls(),
        };
        if is_loopback(url) {
            // A proxy of the network does not reach this machine.
            client = client.no_proxy();
        }
        let client = client
            .timeout(TIMEOUT)
            // A signature is for one host, and so is a token.
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::Unreachable {
                url: url.to_string(),
                problem: problem(error),
            })?;
        Ok(Http { client, auth })
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// `GET` of a URL. A request that was throttled, or that got no response, is repeated.
    ///
    /// # Errors
    ///
    /// As [`send`](Http::send).
    pub async fn get(&self, url: &Url) -> Result<Response, Error> {
        self.send(Request::new(Method::GET, url.clone()), Retry::READ)
            .await
    }

    /// `POST` of a body that can be repeated.
    ///
    /// # Errors
    ///
    /// As [`send`](Http::send).
    pub async fn post(&self, url: &Url, body: Vec<u8>) -> Result<Response, Error> {
        let mut request = Request::new(Method::POST, url.clone());
        *request.body_mut() = Some(body.into());
        self.send(request, Retry::READ).await
    }

    /// Sends a request as this caller, and repeats it as `retry` says. The request is signed anew
    /// each time, because a signature is valid for some minutes only.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] if the last attempt had no response, and [`Error::Credentials`]. Any
    /// status is a response.
    pub async fn send(&self, mut request: Request, retry: Retry) -> Result<Response, Error> {
        // Compression saves transfer. On this machine there is none to save.
        let is_remote = request.url().scheme() == "https";
        if is_remote && !request.headers().contains_key(ACCEPT_ENCODING) {
            let gzip = HeaderValue::from_static("gzip");
            request.headers_mut().insert(ACCEPT_ENCODING, gzip);
        }
        let mut attempts = retry.attempts();
        loop {
            let again = request.try_clone().ok_or_else(|| Error::Unreachable {
                url: request.url().to_string(),
                problem: "the body of the request is a stream, which cannot be repeated".to_owned(),
            })?;
            let result = self.attempt(again).await?;
            let (last, asked) = match &result {
                Ok(response) => (Attempt::Status(response.status), response.retry_after()),
                Err(_) => (Attempt::NoResponse, None),
            };
            if !attempts.again(last, asked).await {
                return result.map_err(|problem| Error::Unreachable {
                    url: request.url().to_string(),
                    problem,
                });
            }
        }
    }

    /// One attempt: the response, or why there is none.
    async fn attempt(&self, mut request: Request) -> Result<Result<Response, String>, Error> {
        self.auth.authorize(&mut request).await?;
        Ok(self.response(request).await)
    }

    async fn response(&self, request: Request) -> Result<Response, String> {
        let response = self.client.execute(request).await;
        let mut response = response.map_err(problem)?;
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(problem)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err("its response is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        let sent_bytes = body.len();
        let is_compressed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| coding == "gzip");
        if is_compressed {
            body = gzip::decompress(&body, MAX_BODY_BYTES)?;
        }
        Ok(Response {
            status,
            headers,
            body,
            sent_bytes,
        })
    }
}

impl Response {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type, or nothing.
    pub fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    /// How long the service asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// What a response to a request for `url` says that was not the one hoped for.
    pub fn refusal(&self, url: &Url) -> Refusal {
        Refusal::of(url.as_str(), self.status.as_u16(), &self.body)
    }

    /// The error of a response that was not the one hoped for.
    pub fn refused(&self, url: &Url) -> Error {
        Error::from(Box::new(self.refusal(url)))
    }

    /// The body as text, if the status is 200.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for another status, and [`Error::NotALog`] if it is not UTF-8.
    pub fn into_text(self, url: &Url) -> Result<String, Error> {
        if self.status != StatusCode::OK {
            return Err(self.refused(url));
        }
        String::from_utf8(self.body).map_err(|_| Error::not_a_log(url.as_str(), "it is not UTF-8"))
    }
}

/// A client for plain HTTP. It does not ask the system for certificates, because a system without
/// any, as a small Docker image, would have no client at all.
pub fn without_tls() -> ClientBuilder {
    Client::builder().tls_certs_only([])
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

/// Why there is no response. The URL is named elsewhere.
fn problem(error: reqwest::Error) -> String {
    chain(&error.without_url())
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
