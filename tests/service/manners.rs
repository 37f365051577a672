//! What HTTP allows, as clients send it: case 53 of the trial, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use audit_log_testing::{App, event};

/// The status line and the body of a response. Its length is in its headers.
fn read(stream: &mut BufReader<TcpStream>) -> (String, String) {
    let mut status = String::new();
    stream.read_line(&mut status).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (
        status.trim_end().to_owned(),
        String::from_utf8(body).unwrap(),
    )
}

/// Does something with a connection to the service.
async fn connected<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(BufReader<TcpStream>) -> T + Send + 'static,
) -> T {
    let address = app.service().address;
    let task = tokio::task::spawn_blocking(move || {
        work(BufReader::new(TcpStream::connect(address).unwrap()))
    });
    task.await.unwrap()
}

/// Sends a request, and reads the response.
async fn exchange(app: &App, request: String) -> (String, String) {
    connected(app, move |mut stream| {
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        read(&mut stream)
    })
    .await
}

/// A document to record.
fn document() -> String {
    event("1", "2024-01-01T00:00:00Z")
}

const POST: &str = "POST /events HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";

async fn total(app: &App) -> u64 {
    app.get("/events").await.json()["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_body_in_chunks_and_with_trailers_is_recorded() {
    let app = App::start().await;
    let document = document();
    let (start, end) = document.split_at(40);
    let chunks = format!(
        "{:x}\r\n{start}\r\n{:X};a=b\r\n{end}\r\n0\r\n",
        start.len(),
        end.len()
    );
    for trailers in ["", "x-checksum: 1\r\n"] {
        let request = format!("{POST}transfer-encoding: chunked\r\n\r\n{chunks}{trailers}\r\n");
        let (status, body) = exchange(&app, request).await;
        assert_eq!(status, "HTTP/1.1 201 Created", "{body}");
    }
    assert_eq!(total(&app).await, 2);
}

/// As curl does with a large body.
#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let app = App::start().await;
    let statuses = connected(&app, |mut stream| {
        let document = document();
        let length = document.len();
        let head = format!("{POST}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        let (first, _) = read(&mut stream);
        stream.get_mut().write_all(document.as_bytes()).unwrap();
        let (second, _) = read(&mut stream);
        [first, second]
    });
    let expected = ["HTTP/1.1 100 Continue", "HTTP/1.1 201 Created"];
    assert_eq!(statuses.await, expected);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served() {
    let app = App::start().await;
    let document = document();
    let length = document.len();
    let post = format!(
        "POST /events HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{document}"
    );
    let (status, body) = exchange(&app, post).await;
    assert_eq!(status, "HTTP/1.0 201 Created", "{body}");
    let get = "GET /events HTTP/1.0\r\n\r\n".to_owned();
    let (status, body) = exchange(&app, get).await;
    assert_eq!(status, "HTTP/1.0 200 OK");
    assert!(body.contains("\"total\":1"), "{body}");
}

#[tokio::test]
async fn a_url_of_65_kb_is_refused_with_a_sentence() {
    let app = App::start().await;
    let user = "u".repeat(65_000);
    let request = format!("GET /events?user_id={user} HTTP/1.1\r\nhost: a\r\n\r\n");
    let (status, body) = exchange(&app, request).await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert!(body.contains("user_id"), "{body}");
}

#[tokio::test]
async fn a_request_may_have_90_headers() {
    let app = App::start().await;
    let document = document();
    let headers: String = (0..86).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let length = document.len();
    let request = format!("{POST}{headers}content-length: {length}\r\n\r\n{document}");
    let (status, body) = exchange(&app, request).await;
    assert_eq!(status, "HTTP/1.1 201 Created", "{body}");
}

#[tokio::test]
async fn one_connection_records_500_events() {
    let app = App::start().await;
    connected(&app, |mut stream| {
        let document = document();
        let length = document.len();
        let request = format!("{POST}content-length: {length}\r\n\r\n{document}");
        for _ in 0..500 {
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            let (status, body) = read(&mut stream);
            assert_eq!(status, "HTTP/1.1 201 Created", "{body}");
        }
    })
    .await;
    assert_eq!(total(&app).await, 500);
}
