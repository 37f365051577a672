//! The User-Agent of the calls, which is written once.

use std::sync::OnceLock;

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{disable_interceptor, dyn_dispatch_hint};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// The headers that the SDK writes.
const HEADERS: [&str; 2] = ["user-agent", "x-amz-user-agent"];

/// Repeats the headers that the SDK wrote for the first call of a client.
///
/// The SDK puts them together for each call, from the environment and the configuration, although
/// they are always the same. That takes 5 % of the instructions of a request.
#[derive(Debug, Default)]
pub(super) struct UserAgent(OnceLock<[String; HEADERS.len()]>);

/// Marks a call whose headers are repeated.
#[derive(Debug)]
struct Repeated;

impl Storable for Repeated {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for UserAgent {
    fn name(&self) -> &'static str {
        "UserAgent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_some() {
            let disabled = disable_interceptor::<UserAgentInterceptor>("the headers are known");
            bag.interceptor_state().store_put(disabled);
            bag.interceptor_state().store_put(Repeated);
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if bag.load::<Repeated>().is_none() {
            return Ok(());
        }
        let headers = context.request_mut().headers_mut();
        for (name, value) in HEADERS.into_iter().zip(self.0.get().into_iter().flatten()) {
            headers.insert(name, value.clone());
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_some() {
            return Ok(());
        }
        let headers = context.request().headers();
        if let [Some(first), Some(second)] = HEADERS.map(|name| headers.get(name)) {
            self.0.get_or_init(|| [first.to_owned(), second.to_owned()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::HEADERS;
    use crate::dynamodb::client::client_of;

    #[tokio::test]
    async fn each_call_has_the_headers_of_the_first_one_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(&listener);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut calls = Vec::new();
            for _ in 0..3 {
                let mut bytes = [0; 4096];
                let length = stream.read(&mut bytes).await.unwrap();
                let head = String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase();
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(response).await.unwrap();
                calls.push(HEADERS.map(|name| {
                    let header = format!("{name}: ");
                    let values = head.lines().filter_map(|line| line.strip_prefix(&header));
                    values.map(str::to_owned).collect::<Vec<_>>()
                }));
            }
            calls
        };
        let puts = async {
            for _ in 0..3 {
                client.put_item().table_name("events").send().await.unwrap();
            }
        };
        let (calls, ()) = tokio::join!(server, puts);
        for call in &calls {
            assert_eq!(call, &calls[0]);
            for values in call {
                assert_eq!(values.len(), 1, "{values:?}");
                assert!(values[0].contains("aws-sdk-rust"), "{values:?}");
            }
        }
    }
}
