//! A response of the API, read to its end.

use audit_log_client::{Auth, Http, Retry};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

/// The type of a body that is not text.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// An HTTP response with its complete body.
#[derive(Debug)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Vec<u8>,
    /// Its body as text. Empty for a body of bytes.
    pub text: String,
    /// How many bytes its body had as it was sent.
    pub bytes: usize,
}

impl Response {
    /// Sends a request once, and reads the response to it.
    pub async fn of(request: reqwest::RequestBuilder) -> Response {
        let request = request.build().unwrap();
        let http = Http::new(request.url(), Auth::None).unwrap();
        Response::from(http.send(request, Retry::NEVER).await.unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().unwrap())
    }

    /// The status, and the code of an error.
    pub fn error(&self) -> (u16, String) {
        let code = self.json()["code"].as_str().unwrap_or_default().to_owned();
        (self.status, code)
    }

    /// The ID of the event that was recorded.
    pub fn id(&self) -> String {
        let body = self.json();
        body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }

    /// The leaf hash of the event that was recorded.
    pub fn leaf(&self) -> String {
        let body = self.json();
        body["leaf"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }

    /// The IDs of the events of a list, in its order.
    pub fn ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        ids(&self.json())
    }

    /// The events of a list.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["events"].as_array().unwrap().clone()
    }

    /// The target of the link with this relation in the `Link` header.
    pub fn link(&self, rel: &str) -> Option<String> {
        let wanted = format!("rel=\"{rel}\"");
        let mut links = self.header("link")?.split(", ");
        let link = links.find(|link| link.ends_with(&wanted))?;
        let (target, _) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        Some(target.to_owned())
    }
}

impl From<audit_log_client::Response> for Response {
    fn from(response: audit_log_client::Response) -> Response {
        let body = response.body;
        let is_text = response.headers.get(CONTENT_TYPE) != Some(&BYTES);
        let text = match is_text {
            true => String::from_utf8(body.clone()).unwrap(),
            false => String::new(),
        };
        Response {
            status: response.status.as_u16(),
            headers: response.headers,
            body,
            text,
            bytes: response.sent_bytes,
        }
    }
}

/// The IDs of the events of a list's JSON, in its order.
pub fn ids(list: &Value) -> Vec<String> {
    let events = list["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

/// How deep the objects and arrays of a JSON text are nested. No string of it may have a bracket.
pub fn levels(json: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for character in json.chars() {
        match character {
            '[' | '{' => open += 1,
            ']' | '}' => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}
