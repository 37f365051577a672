//! What all black-box tests use: an engine, an answer, and documents to send.

use audit_log_cli::serve::engine::{Address, Storage};
use serde_json::Value;

/// Where a test keeps its tables: in memory, or, where `AUDIT_LOG_TEST_DYNAMODB` has the URL of a DynamoDB Local, there.
pub fn storage() -> Storage {
    match std::env::var("AUDIT_LOG_TEST_DYNAMODB") {
        // Without -sharedDb, each access key has tables of its own.
        Ok(url) => Storage::Elsewhere(Address { url, access_key_id: format!("test{:016x}", rand::random::<u64>()) }),
        Err(_) => Storage::Memory,
    }
}

/// An HTTP answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Answer {
        Answer::from(request.send().await.unwrap()).await
    }

    pub async fn from(response: reqwest::Response) -> Answer {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The id of the event that was recorded.
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The ids of a list's events, as it shows them.
    pub fn ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        ids(&self.json())
    }

    /// Where the Link header points for `rel`.
    pub fn link(&self, rel: &str) -> Option<String> {
        let wanted = format!("rel=\"{rel}\"");
        let link = self.header("link")?.split(", ").find(|link| link.ends_with(&wanted))?;
        Some(link.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned())
    }
}

/// The ids of the events of a list's JSON.
pub fn ids(list: &Value) -> Vec<String> {
    list["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// A document of `user` at `timestamp`.
pub fn event(user: &str, timestamp: &str) -> String {
    event_with(user, timestamp, "{}")
}

/// The same with some `app_data`.
pub fn event_with(user: &str, timestamp: &str, app_data: &str) -> String {
    format!(
        r#"{{"user_id":"{user}","event_type":"test","timestamp":"{timestamp}","src_service":"tests","invariant_data":null,"app_data":{app_data}}}"#
    )
}

/// The example `AccountDeleted` of openapi.yaml, which every client of the old service knows.
pub fn seed(timestamp: &str) -> String {
    format!(
        r#"{{
    "user_id": "1",
    "event_type": "account_deleted",
    "timestamp": "{timestamp}",
    "src_service": "user_service",
    "invariant_data": {{
      "message": "User deleted account",
      "priority": 2,
      "trace": "trace_id_789"
    }},
    "app_data": {{
      "username": "jondoe",
      "email": "jondoe@example.com"
    }}
  }}"#
    )
}
