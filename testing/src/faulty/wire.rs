//! Requests of the DynamoDB API and responses to them, byte by byte, so that they can break off.

use std::io;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A request of the DynamoDB API.
pub struct Call {
    /// Its headers, their names in lower case.
    pub head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A response of the engine's.
pub struct Reply {
    pub status: u16,
    pub crc32: Option<String>,
    pub body: Vec<u8>,
}

impl Call {
    /// The next request on a connection, or `None` when the client has closed it.
    pub async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Call>> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                head.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        let mut call = Call {
            head,
            body: Vec::new(),
        };
        // A request that only opens a connection has no body.
        let length = call.header("content-length").parse().unwrap_or(0);
        call.body.resize(length, 0);
        stream.read_exact(&mut call.body).await?;
        Ok(Some(call))
    }

    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        match self.head.iter().find(|(found, _)| found == name) {
            Some((_, value)) => value,
            None => "",
        }
    }

    /// Such as `PutItem`; empty for a stream's.
    pub fn operation(&self) -> &str {
        let target = self.header("x-amz-target");
        target
            .strip_prefix("DynamoDB_20120810.")
            .unwrap_or_default()
    }
}

impl Reply {
    /// An error of DynamoDB's.
    pub fn error(status: u16, code: &str) -> Reply {
        let body = json!({"__type": code, "message": "injected"});
        Reply {
            status,
            crc32: None,
            body: body.to_string().into(),
        }
    }

    /// A transaction is cancelled for a conflict over the item at `position`, of two.
    pub fn conflict(position: usize) -> Reply {
        let mut reasons = [json!({"Code": "None"}), json!({"Code": "None"})];
        reasons[position] = json!({"Code": "TransactionConflict", "Message": "injected"});
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "injected",
            "CancellationReasons": reasons,
        });
        Reply {
            status: 400,
            crc32: None,
            body: body.to_string().into(),
        }
    }

    /// Takes away the end, and in one case of four everything.
    pub fn shorten(&mut self, share: f64) {
        let left = (share - 0.25).max(0.0) / 0.75;
        let length = (left * self.body.len() as f64) as usize;
        self.body.truncate(length);
    }

    /// Sends it.
    pub async fn write(&self, stream: &mut BufReader<TcpStream>) -> io::Result<()> {
        self.write_as(stream, self.body.len()).await
    }

    /// Sends it as if it had a body of `length` bytes.
    pub async fn write_as(
        &self,
        stream: &mut BufReader<TcpStream>,
        length: usize,
    ) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} -\r\n", self.status);
        head += "content-type: application/x-amz-json-1.0\r\n";
        if let Some(crc32) = &self.crc32 {
            head += &format!("x-amz-crc32: {crc32}\r\n");
        }
        head += &format!("content-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        stream.flush().await
    }
}
