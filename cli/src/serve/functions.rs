//! The Lambda functions, in this process or behind a Lambda endpoint. A function takes the JSON of
//! a payload and returns the JSON of a response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use audit_log::config::{Settings, SettingsError};
use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::http::{self, MAX_LAMBDA_PAYLOAD_BYTES};
use audit_log::index_events::IndexEvents;
use audit_log::list_events::ListEvents;
use audit_log::seal_events::SealEvents;
use audit_log_client::without_tls;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use lambda_http::{Body, Context, LambdaEvent, Request, Response};
use uuid::Uuid;

use super::disk::Disk;
use super::log_key::LogKey;
use super::template;
use super::turns::in_one_go;

/// The header with which an endpoint marks the response of a function that failed.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// A function that is ready to be invoked.
#[derive(Clone)]
pub struct Function {
    handler: Handler,
    /// What each response waits for.
    disk: Disk,
    timeout: Duration,
}

#[derive(Clone)]
enum Handler {
    CreateEvent(CreateEvent),
    ListEvents(ListEvents),
    IndexEvents(IndexEvents),
    SealEvents(SealEvents),
    /// A function that runs elsewhere.
    Elsewhere(Endpoint),
}

/// A URL to which the payloads of a function are posted.
#[derive(Clone)]
struct Endpoint {
    http: reqwest::Client,
    url: String,
}

/// A function that cannot be set up as the template declares it.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// The HTTP client for functions elsewhere cannot be set up.
    #[error("cannot set up the HTTP client for --lambda-url: {0}")]
    Client(String),
    /// The binary has no handler.
    #[error("the template's binary \"{0}\" is not one of this project's functions")]
    UnknownBinary(String),
    /// The environment lacks a setting, or a setting is wrong.
    #[error("the template's environment of {binary} is not usable: {error}")]
    Settings {
        /// The binary of the function.
        binary: String,
        /// The problem with it.
        error: SettingsError,
    },
}

/// An invocation without a response. API Gateway turns it into a status of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The payload is larger than Lambda accepts.
    #[error("the payload is larger than Lambda's {MAX_LAMBDA_PAYLOAD_BYTES} bytes")]
    PayloadTooLarge,
    /// The response is larger than Lambda returns.
    #[error("the response is larger than Lambda's {MAX_LAMBDA_PAYLOAD_BYTES} bytes")]
    ResponseTooLarge,
    /// The function cannot read the payload, or it crashed.
    #[error("the function failed: {0}")]
    Failed(String),
}

impl Function {
    /// Sets up the function that `declared` names, with its environment, on `client`. `key` signs the
    /// transparency log.
    ///
    /// # Errors
    ///
    /// [`FunctionError`], in one sentence.
    pub fn new(
        declared: &template::Function,
        client: &Client,
        key: &LogKey,
    ) -> Result<Function, FunctionError> {
        let environment = &declared.environment;
        let settings = Settings::read(|name| environment.get(name).cloned());
        let settings = settings.map_err(|error| FunctionError::Settings {
            binary: declared.binary.clone(),
            error,
        })?;
        let deps = Deps::new(client.clone(), &settings);
        let handler = match declared.binary.as_str() {
            "create-event" => Handler::CreateEvent(CreateEvent::new(deps)),
            "list-events" => Handler::ListEvents(ListEvents::new(deps)),
            "index-events" => Handler::IndexEvents(IndexEvents::new(deps)),
            "seal-events" => {
                let signer = Arc::new(key.clone());
                Handler::SealEvents(SealEvents::new(deps, key.name().clone(), signer))
            }
            other => return Err(FunctionError::UnknownBinary(other.to_owned())),
        };
        Ok(Function {
            handler,
            disk: Disk::default(),
            timeout: Duration::from_secs(declared.timeout),
        })
    }

    /// The function that `declared` names, behind a Lambda endpoint such as that of `cargo lambda
    /// watch`. There, its name is that of its binary.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Client`].
    pub fn elsewhere(
        declared: &template::Function,
        endpoint: &str,
    ) -> Result<Function, FunctionError> {
        let endpoint = endpoint.trim_end_matches('/');
        let binary = &declared.binary;
        // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        let url = format!("{endpoint}/2015-03-31/functions/{binary}/invocations");
        // The endpoint is on this machine, so a proxy in the environment is ignored.
        let http = without_tls()
            .no_proxy()
            .build()
            .map_err(|error| FunctionError::Client(error.to_string()))?;
        Ok(Function {
            handler: Handler::Elsewhere(Endpoint { http, url }),
            disk: Disk::default(),
            timeout: Duration::from_secs(declared.timeout),
        })
    }

    /// The same function, whose responses wait until `disk` has what was written before.
    #[must_use]
    pub fn with_disk(self, disk: Disk) -> Function {
        Function { disk, ..self }
    }

    /// Invokes the function with the JSON of a payload, and returns the JSON of its response.
    ///
    /// # Errors
    ///
    /// [`InvokeError`], where Lambda would report one.
    pub async fn invoke(&self, payload: String) -> Result<String, InvokeError> {
        if payload.len() > MAX_LAMBDA_PAYLOAD_BYTES {
            return Err(InvokeError::PayloadTooLarge);
        }
        let function = self.clone();
        // A panic ends the task of one invocation only, as a crash on Lambda does.
        let invocation = tokio::spawn(async move { function.run(&payload).await });
        let response = invocation.await.map_err(|error| failed(&error))?;
        // Whatever the response says may rest on a write that is not synced yet, even on one of
        // another request. So reads and errors wait, too.
        self.disk.sync().await.map_err(|error| failed(&error))?;
        let response = response?;
        if response.len() > MAX_LAMBDA_PAYLOAD_BYTES {
            return Err(InvokeError::ResponseTooLarge);
        }
        Ok(response)
    }

    async fn run(&self, payload: &str) -> Result<String, InvokeError> {
        let context = self.context();
        match &self.handler {
            Handler::CreateEvent(handler) => {
                in_one_go(respond(payload, context, |request| handler.handle(request))).await
            }
            Handler::ListEvents(handler) => {
                in_one_go(respond(payload, context, |request| handler.handle(request))).await
            }
            Handler::IndexEvents(handler) => {
                let batch = serde_json::from_str(payload).map_err(|error| failed(&error))?;
                let deadline = Timestamp::from_millis(context.deadline);
                let response = handler.handle(batch, deadline).await;
                serde_json::to_string(&response).map_err(|error| failed(&error))
            }
            Handler::SealEvents(handler) => {
                let batch = serde_json::from_str(payload).map_err(|error| failed(&error))?;
                let deadline = Timestamp::from_millis(context.deadline);
                let response = handler.handle(batch, deadline).await;
                serde_json::to_string(&response).map_err(|error| failed(&error))
            }
            Handler::Elsewhere(endpoint) => {
                let response = endpoint.post(payload, self.timeout).await;
                // It writes through the engine's port, which does not tell the disk.
                self.disk.committed();
                response
            }
        }
    }

    fn context(&self) -> Context {
        let deadline = Effects::system().now().saturating_add(self.timeout);
        let mut context = Context::default();
        context.request_id = Uuid::new_v4().to_string();
        context.deadline = deadline.millis();
        context
    }
}

impl Endpoint {
    async fn post(&self, payload: &str, timeout: Duration) -> Result<String, InvokeError> {
        let request = self
            .http
            .post(&self.url)
            .timeout(timeout)
            .body(payload.to_owned());
        let response = request
            .send()
            .await
            .map_err(|error| failed(&DisplayErrorContext(error)))?;
        let crashed =
            !response.status().is_success() || response.headers().contains_key(FUNCTION_ERROR);
        let text = response
            .text()
            .await
            .map_err(|error| failed(&DisplayErrorContext(error)))?;
        if crashed {
            return Err(failed(&text));
        }
        Ok(text)
    }
}

/// Passes a payload of API Gateway to a handler, as the function's binary does.
async fn respond<F>(
    payload: &str,
    context: Context,
    handle: impl FnOnce(Request) -> F,
) -> Result<String, InvokeError>
where
    F: Future<Output = Response<Body>>,
{
    let payload = serde_json::from_str(payload).map_err(|error| failed(&error))?;
    let response = http::invoke(LambdaEvent::new(payload, context), handle).await;
    serde_json::to_string(&response).map_err(|error| failed(&error))
}

fn failed(error: &dyn fmt::Display) -> InvokeError {
    InvokeError::Failed(error.to_string())
}
