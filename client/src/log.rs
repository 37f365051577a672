//! A log behind its HTTP API.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};

use crate::{Auth, Code, Error, Http, RecordedEvent, Response, Retry};

/// A log behind its HTTP API. It is cheap to clone, and clones share their connections.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let app = audit_log_testing::App::start().await;
/// # let url = app.url();
/// use audit_log_client::{Auth, Log};
///
/// let log = Log::new(url, Auth::from_environment(url, None).await)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    base: Arc<Url>,
    http: Http,
    reporting: Retry,
    reading: Retry,
}

impl Log {
    /// The log at a URL such as `http://127.0.0.1:5001`, without `/events`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`], and [`Error::Unreachable`] if the URL needs certificates and the system has
    /// none.
    pub fn new(url: &str, auth: Auth) -> Result<Log, Error> {
        // A base without a slash at its end would lose its last part.
        let base: Url = format!("{}/", url.trim_end_matches('/'))
            .parse()
            .map_err(|_| Error::Url(url.to_owned()))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(Error::Url(url.to_owned()));
        }
        let http = Http::new(&base, auth)?;
        Ok(Log {
            base: Arc::new(base),
            http,
            reporting: Retry::REPORT,
            reading: Retry::READ,
        })
    }

    /// The same log, to which an event is reported for at most this long. The default is a minute.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Log {
        self.with_retry(Retry::until(deadline))
    }

    /// The same log, to which an event is reported as often as this says.
    #[must_use]
    pub fn with_retry(self, reporting: Retry) -> Log {
        Log { reporting, ..self }
    }

    /// The same log, which is read as often as this says. The default is [`Retry::READ`].
    #[must_use]
    pub fn with_read_retry(self, reading: Retry) -> Log {
        Log { reading, ..self }
    }

    /// The URL of the log, with a slash at its end.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// The client that sends the requests.
    pub fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn reporting(&self) -> Retry {
        self.reporting
    }

    /// The URL of a path such as `events/feed?after=0`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`].
    pub fn join(&self, path: &str) -> Result<Url, Error> {
        let joined = self.base.join(path.trim_start_matches('/'));
        joined.map_err(|_| Error::Url(format!("{}{path}", self.base)))
    }

    /// `GET` of any other path, such as `events/facets`. Any status is a response.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// let response = log.get("events/facets").await?;
    /// assert_eq!(response.status, 200);
    /// let facets: serde_json::Value = serde_json::from_slice(&response.body)?;
    /// assert!(facets["event_type"].is_array());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] and [`Error::Credentials`].
    pub async fn get(&self, path: &str) -> Result<Response, Error> {
        self.get_url(&self.join(path)?, None).await
    }

    pub(crate) async fn get_url(
        &self,
        url: &Url,
        accept: Option<&'static str>,
    ) -> Result<Response, Error> {
        let mut request = Request::new(Method::GET, url.clone());
        if let Some(accept) = accept {
            let accept = HeaderValue::from_static(accept);
            request.headers_mut().insert(ACCEPT, accept);
        }
        self.http.send(request, self.reading).await
    }

    /// One event. `None` if the log has no event with this id.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::Event;
    ///
    /// let receipt = log.report(Event::new("billing", "order_paid")).await?;
    /// let event = log.event(&receipt.id).await?.expect("it was recorded");
    /// assert_eq!(event.id(), receipt.id);
    /// assert_eq!(log.event("018df9ab-c47a-7000-8017-ee644ae15fe0").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn event(&self, id: &str) -> Result<Option<RecordedEvent>, Error> {
        let url = self.event_url(id)?;
        let response = self.get_url(&url, None).await?;
        if is_not_found(&response, &url, &Code::NotFound) {
            return Ok(None);
        }
        let text = response.into_text(&url)?;
        let event = RecordedEvent::parse(text)
            .map_err(|problem| Error::not_a_log(url.as_str(), problem))?;
        if !event.id().eq_ignore_ascii_case(id) {
            return Err(Error::not_a_log(url.as_str(), "the event has another id"));
        }
        Ok(Some(event))
    }

    /// The proof that an event is in the transparency log, as a
    /// [tlog-proof](https://c2sp.org/tlog-proof). `None` if the log does not have the event yet: it
    /// takes some 15 seconds.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::Event;
    ///
    /// let receipt = log.report(Event::new("billing", "order_paid")).await?;
    /// # app.service().sealed().await;
    /// if let Some(proof) = log.proof(&receipt.id).await? {
    ///     assert!(proof.starts_with("c2sp.org/tlog-proof@v1\n"));
    /// }
    /// # assert!(log.proof(&receipt.id).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`]. An event that does not exist is a [`Code::NotFound`].
    pub async fn proof(&self, id: &str) -> Result<Option<String>, Error> {
        let mut url = self.event_url(id)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push("proof");
        }
        self.if_sealed(&url).await
    }

    /// The newest signed checkpoint of the transparency log. `None` before the first event is
    /// sealed.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn checkpoint(&self) -> Result<Option<String>, Error> {
        self.if_sealed(&self.join("log/checkpoint")?).await
    }

    async fn if_sealed(&self, url: &Url) -> Result<Option<String>, Error> {
        let response = self.get_url(url, None).await?;
        if is_not_found(&response, url, &Code::NotSealed) {
            return Ok(None);
        }
        response.into_text(url).map(Some)
    }

    /// The id is a segment of the path, whatever is in it.
    fn event_url(&self, id: &str) -> Result<Url, Error> {
        let mut url = self.join("events")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        Ok(url)
    }
}

fn is_not_found(response: &Response, url: &Url, code: &Code) -> bool {
    response.status == StatusCode::NOT_FOUND && response.refusal(url).code.as_ref() == Some(code)
}
