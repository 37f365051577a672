//! The local gateway, where it does what API Gateway does without a function.

use std::io::{Read, Write};
use std::net::TcpStream;

use audit_log_testing::{App, Response, options, storage};
use reqwest::Method;

const ORIGIN: &str = "https://audit.example.com";

async fn with_origin(origin: Option<&str>) -> App {
    let mut options = options(storage());
    options.allowed_origin = origin.map(str::to_owned);
    App::start_with(&options).await
}

async fn send(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = app.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request).await
}

/// As in aws/aws-sam-cli#323, aws/aws-sam-cli#400 and aws/aws-sam-cli#3864.
#[tokio::test]
async fn a_page_of_the_allowed_origin_may_call_the_api() {
    let app = with_origin(Some(ORIGIN)).await;
    let preflight = [
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    for path in ["/events", "/events/1", "/elsewhere"] {
        let response = send(&app, Method::OPTIONS, path, &preflight).await;
        assert_eq!((response.status, response.text.as_str()), (204, ""));
        let allows = |name: &str| response.header(&format!("access-control-{name}")).unwrap();
        assert_eq!(allows("allow-origin"), ORIGIN);
        assert_eq!(allows("allow-methods"), "GET,POST");
        let headers: Vec<_> = allows("allow-headers").split(',').collect();
        for name in ["content-type", "content-encoding", "idempotency-key"] {
            assert!(headers.contains(&name), "{headers:?}");
        }
        assert_eq!(allows("max-age"), "600");
    }
    let created = app
        .post_with(&[("origin", ORIGIN)], app.event("1", 0, "{}"))
        .await;
    let list = app.get_with(&[("origin", ORIGIN)], "/events").await;
    let not_found = app.get_with(&[("origin", ORIGIN)], "/elsewhere").await;
    for (response, status) in [(created, 201), (list, 200), (not_found, 404)] {
        assert_eq!(response.status, status);
        let header = |name: &str| response.header(&format!("access-control-{name}"));
        assert_eq!(header("allow-origin"), Some(ORIGIN));
        assert_eq!(header("expose-headers"), Some("link,location,retry-after"));
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_allowed_nothing() {
    for allowed in [Some(ORIGIN), None] {
        let app = with_origin(allowed).await;
        for origin in ["https://evil.example", "null", "http://audit.example.com"] {
            let preflight = [("origin", origin), ("access-control-request-method", "GET")];
            let responses = [
                send(&app, Method::OPTIONS, "/events", &preflight).await,
                app.get_with(&[("origin", origin)], "/events").await,
            ];
            for response in responses {
                let mut names = response.headers.keys();
                assert!(names.all(|name| !name.as_str().starts_with("access-control")));
            }
        }
    }
}

#[tokio::test]
async fn without_an_origin_a_preflight_has_no_route() {
    let app = with_origin(None).await;
    let response = send(&app, Method::OPTIONS, "/events", &[("origin", ORIGIN)]).await;
    assert_eq!(response.status, 404);
}

/// Case 54 of the trial, with clients such as Go's `http.Post`.
#[tokio::test]
async fn who_sends_all_before_reading_still_sees_the_413() {
    let app = App::start().await;
    let address = app.service().address;
    for megabytes in [11, 15, 40] {
        for chunked in [false, true] {
            let response = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                post(&mut stream, megabytes, chunked)
            });
            let response = response.await.unwrap().unwrap();
            assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
            assert!(response.ends_with(r#"{"message":"Request Entity Too Large"}"#));
        }
    }
}

/// Sends a request of zeros, and only then reads the response.
fn post(stream: &mut TcpStream, megabytes: usize, chunked: bool) -> std::io::Result<String> {
    let megabyte = vec![0; 1 << 20];
    let length = if chunked {
        "transfer-encoding: chunked".to_owned()
    } else {
        format!("content-length: {}", megabytes << 20)
    };
    write!(
        stream,
        "POST /events HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: application/json\r\n{length}\r\n\r\n"
    )?;
    for _ in 0..megabytes {
        if chunked {
            write!(stream, "{:x}\r\n", megabyte.len())?;
        }
        stream.write_all(&megabyte)?;
        if chunked {
            write!(stream, "\r\n")?;
        }
    }
    if chunked {
        write!(stream, "0\r\n\r\n")?;
    }
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
