//! Calls to DynamoDB that go round by round: the calls that are under way together are all answered
//! before one of them goes on.
//!
//! [`Usage::rounds`](audit_log::dynamodb::Usage) then says what waits in sequence. Without this it
//! also depends on which of several responses comes first, and so on the engine and on what else
//! the machine does.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use audit_log::dynamodb::client_from;
use audit_log_cli::serve::engine::Address;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use futures_util::future::{FutureExt, join_all};
use tokio::sync::{Notify, oneshot};

/// The calls of one round after another.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    begun: Arc<Mutex<Vec<Call>>>,
}

type Answer = Result<HttpResponse, ConnectorError>;

/// A call that has begun and is not yet sent.
#[derive(Debug)]
struct Call {
    request: HttpRequest,
    connection: SharedHttpConnector,
    answer: oneshot::Sender<Answer>,
}

impl Rounds {
    /// The functions' client for an engine. Its calls are answered only within [`run`](Self::run).
    pub async fn client(&self, dynamodb: &Address) -> Client {
        let config = dynamodb.config().load().await;
        let http = config.http_client().unwrap();
        let rounds = self.http_client(http);
        client_from(Builder::from(&config).http_client(rounds))
    }

    fn http_client(&self, http: SharedHttpClient) -> SharedHttpClient {
        let rounds = self.clone();
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Connection {
                connection: http.http_connector(settings, components),
                rounds: rounds.clone(),
            })
        })
    }

    /// Runs a future that calls DynamoDB by [`client`](Self::client).
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        loop {
            // `poll_fn`, so that the future is polled where tokio expects it.
            let polled = poll_fn(|_| {
                let mut context = Context::from_waker(&waker);
                Poll::Ready(future.as_mut().poll(&mut context))
            });
            if let Poll::Ready(output) = polled.await {
                return output;
            }
            // It goes on without an answer, so that more calls may begin in this round.
            if woken.0.notified().now_or_never().is_some() {
                continue;
            }
            let calls = mem::take(&mut *self.begun.lock().unwrap());
            if calls.is_empty() {
                woken.0.notified().await;
                continue;
            }
            answer(calls).await;
        }
    }
}

/// Sends the calls together. Gives their answers when all are there.
async fn answer(calls: Vec<Call>) {
    let sent = calls.into_iter().map(async |call| {
        let response = call.connection.call(call.request).await;
        let response = match response {
            Ok(response) => complete(response).await,
            Err(error) => Err(error),
        };
        (call.answer, response)
    });
    for (answer, response) in join_all(sent).await {
        // The caller may have given up on it.
        drop(answer.send(response));
    }
}

/// Reads the body, which would otherwise still be on its way when the response is passed on.
async fn complete(mut response: HttpResponse) -> Answer {
    let body = ByteStream::new(response.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?;
    *response.body_mut() = SdkBody::from(body.into_bytes());
    Ok(response)
}

#[derive(Debug)]
struct Connection {
    connection: SharedHttpConnector,
    rounds: Rounds,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, answered) = oneshot::channel();
        self.rounds.begun.lock().unwrap().push(Call {
            request,
            connection: self.connection.clone(),
            answer,
        });
        HttpConnectorFuture::new(async { answered.await.expect("the run has ended") })
    }
}

/// Whether the future was woken since it was polled.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
