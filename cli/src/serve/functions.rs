//! The Lambda functions, in this process or behind a Lambda endpoint: an event's JSON in, the
//! answer's JSON out.

use std::fmt;
use std::time::Duration;

use audit_log::config::{Settings, SettingsError};
use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::http::{self, MAX_LAMBDA_PAYLOAD_BYTES};
use audit_log::index_events::IndexEvents;
use audit_log::list_events::ListEvents;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use lambda_http::{Body, Context, LambdaEvent, Request, Response};
use uuid::Uuid;

use super::template;

/// With this header an endpoint says that its answer is an error's.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// A function that is ready to be invoked.
#[derive(Clone)]
pub struct Function {
    handler: Handler,
    timeout: Duration,
}

#[derive(Clone)]
enum Handler {
    CreateEvent(CreateEvent),
    ListEvents(ListEvents),
    IndexEvents(IndexEvents),
    /// One that runs elsewhere; the URL to which its events are posted.
    Elsewhere(reqwest::Client, String),
}

/// A function that cannot be set up as the template says.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// There is no HTTP client to reach functions elsewhere.
    #[error("cannot set up the HTTP client for --lambda-url: {0}")]
    Client(String),
    /// No handler is known for the binary.
    #[error("the template's binary \"{0}\" is none of this project's functions")]
    UnknownBinary(String),
    /// Its environment is not what it needs.
    #[error("the template's environment of {binary} does not do: {error}")]
    Settings {
        /// The binary.
        binary: String,
        /// What is wrong.
        error: SettingsError,
    },
}

/// An invocation that has no answer, which API Gateway turns into a status of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The event exceeds what Lambda takes.
    #[error("the event is larger than Lambda's {MAX_LAMBDA_PAYLOAD_BYTES} bytes")]
    EventTooLarge,
    /// The answer exceeds what Lambda gives.
    #[error("the answer is larger than Lambda's {MAX_LAMBDA_PAYLOAD_BYTES} bytes")]
    AnswerTooLarge,
    /// The event is not one that the function is made for, or the function crashed.
    #[error("the function failed: {0}")]
    Failed(String),
}

impl Function {
    /// Sets up the function that `declared` names, with its environment, on `client`.
    ///
    /// # Errors
    ///
    /// [`FunctionError`], in one sentence.
    pub fn new(declared: &template::Function, client: &Client) -> Result<Function, FunctionError> {
        let binary = || declared.binary.clone();
        let settings =
            Settings::read(|name| declared.environment.get(name).cloned()).map_err(|error| {
                FunctionError::Settings {
                    binary: binary(),
                    error,
                }
            })?;
        let deps = Deps::new(client.clone(), &settings);
        let handler = match declared.binary.as_str() {
            "create-event" => Handler::CreateEvent(CreateEvent::new(deps)),
            "list-events" => Handler::ListEvents(ListEvents::new(deps)),
            "index-events" => Handler::IndexEvents(IndexEvents::new(deps)),
            _ => return Err(FunctionError::UnknownBinary(binary())),
        };
        Ok(Function {
            handler,
            timeout: Duration::from_secs(declared.timeout),
        })
    }

    /// The function that `declared` names, behind a Lambda endpoint such as that of `cargo lambda
    /// watch`, where it is called as its binary.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Client`].
    pub fn elsewhere(
        declared: &template::Function,
        endpoint: &str,
    ) -> Result<Function, FunctionError> {
        let (endpoint, binary) = (endpoint.trim_end_matches('/'), &declared.binary);
        // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        let url = format!("{endpoint}/2015-03-31/functions/{binary}/invocations");
        // Not through the proxy that the environment may name: the endpoint is on this machine.
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| FunctionError::Client(error.to_string()))?;
        Ok(Function {
            handler: Handler::Elsewhere(client, url),
            timeout: Duration::from_secs(declared.timeout),
        })
    }

    /// Invokes the function with an event's JSON and gives its answer's JSON.
    ///
    /// # Errors
    ///
    /// [`InvokeError`], where Lambda would report one.
    pub async fn invoke(&self, event: String) -> Result<String, InvokeError> {
        if event.len() > MAX_LAMBDA_PAYLOAD_BYTES {
            return Err(InvokeError::EventTooLarge);
        }
        let function = self.clone();
        // A task of its own, as Lambda has a process: a panic is the end of the one invocation
        // alone.
        let invocation = tokio::spawn(async move { function.run(&event).await });
        let response = invocation.await.map_err(|error| failed(&error))??;
        if response.len() > MAX_LAMBDA_PAYLOAD_BYTES {
            Err(InvokeError::AnswerTooLarge)
        } else {
            Ok(response)
        }
    }

    async fn run(&self, event: &str) -> Result<String, InvokeError> {
        let context = self.context();
        match &self.handler {
            Handler::CreateEvent(handler) => {
                response(event, context, |request| handler.handle(request)).await
            }
            Handler::ListEvents(handler) => {
                response(event, context, |request| handler.handle(request)).await
            }
            Handler::IndexEvents(handler) => {
                let batch = serde_json::from_str(event).map_err(|error| failed(&error))?;
                let response = handler
                    .handle(batch, Timestamp::from_millis(context.deadline))
                    .await;
                serde_json::to_string(&response).map_err(|error| failed(&error))
            }
            Handler::Elsewhere(client, url) => {
                let request = client
                    .post(url)
                    .timeout(self.timeout)
                    .body(event.to_owned());
                let response = request
                    .send()
                    .await
                    .map_err(|error| failed(&DisplayErrorContext(error)))?;
                let crashed = !response.status().is_success()
                    || response.headers().contains_key(FUNCTION_ERROR);
                let text = response
                    .text()
                    .await
                    .map_err(|error| failed(&DisplayErrorContext(error)))?;
                if crashed {
                    Err(failed(&text))
                } else {
                    Ok(text)
                }
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

/// Passes an API Gateway event to a handler, the way the function's binary does.
async fn response<F>(
    event: &str,
    context: Context,
    handle: impl FnOnce(Request) -> F,
) -> Result<String, InvokeError>
where
    F: Future<Output = Response<Body>>,
{
    let payload = serde_json::from_str(event).map_err(|error| failed(&error))?;
    let response = http::invoke(LambdaEvent::new(payload, context), handle).await;
    serde_json::to_string(&response).map_err(|error| failed(&error))
}

fn failed(error: &dyn fmt::Display) -> InvokeError {
    InvokeError::Failed(error.to_string())
}
