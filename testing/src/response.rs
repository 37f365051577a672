//! A response of the API, read to its end.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
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
    /// Sends a request, and reads the response to it.
    pub async fn of(request: reqwest::RequestBuilder) -> Response {
        Response::read(request.send().await.unwrap()).await
    }

    /// Reads a response to its end.
    pub async fn read(response: reqwest::Response) -> Response {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.unwrap();
        let bytes = body.len();
        let body = match headers.get(CONTENT_ENCODING) {
            Some(coding) if coding == "gzip" => {
                let mut decompressed = Vec::new();
                let mut decoder = GzDecoder::new(&body[..]);
                decoder.read_to_end(&mut decompressed).unwrap();
                decompressed
            }
            Some(coding) => panic!("{coding:?} is not expected"),
            None => body.to_vec(),
        };
        let is_text = headers.get(CONTENT_TYPE) != Some(&BYTES);
        let text = match is_text {
            true => String::from_utf8(body.clone()).unwrap(),
            false => String::new(),
        };
        Response {
            status,
            headers,
            body,
            text,
            bytes,
        }
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

/// The IDs of the events of a list's JSON, in its order.
pub fn ids(list: &Value) -> Vec<String> {
    let events = list["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}
