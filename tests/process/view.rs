//! `audit-log view`: whose requests it passes on, and how.

use std::process::Stdio;

use audit_log_testing::event;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{Process, run_with};

/// A started `audit-log view`.
struct View {
    _child: Child,
    /// The address that it printed, with a slash at its end.
    page: String,
}

impl View {
    async fn of(log: &str) -> View {
        let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
        command.args(["view", "--log", log]).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let page = line.split_whitespace().next_back().unwrap().to_owned();
        View {
            _child: child,
            page,
        }
    }

    /// The address without the token.
    fn origin(&self) -> String {
        let end = self.page.match_indices('/').nth(2).unwrap().0;
        self.page[..end].to_owned()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.page))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }
}

#[tokio::test]
async fn view_passes_query_and_format_on() {
    let process = Process::start_with(&["--memory"]).await;
    let view = View::of(process.app.url()).await;
    for second in 0..3 {
        let time = format!("2024-01-01T00:00:0{second}Z");
        process.app.post(event("a+b c", &time)).await;
    }
    let list = view.get("events?user_id=a%2Bb%20c&per_page=2").await;
    assert!(list.headers()["link"].to_str().unwrap().contains("cursor="));
    let list: serde_json::Value = serde_json::from_str(&list.text().await.unwrap()).unwrap();
    assert_eq!(list["total"], 3);
    assert_eq!(list["events"].as_array().unwrap().len(), 2);

    let csv = view
        .request(Method::GET, "events")
        .header("accept", "text/csv");
    let csv = csv.send().await.unwrap();
    assert!(
        csv.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(csv.text().await.unwrap().starts_with("id,timestamp,"));

    let refused = view.get("events?per_page=0").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.unwrap().contains("invalid_parameter"));
}

#[tokio::test]
async fn view_serves_only_its_own_page() {
    let process = Process::start_with(&["--memory"]).await;
    let view = View::of(process.app.url()).await;
    let page = view.get("").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(page.text().await.unwrap().contains("<!doctype html>"));

    let client = Client::new();
    let origin = view.origin();
    for path in ["/", "/events", "/viewer/app.js", "/0/events"] {
        let response = client.get(format!("{origin}{path}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let foreign = [
        ("host", "evil.example"),
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (name, value) in foreign {
        let request = view.request(Method::GET, "events").header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}");
        assert!(!response.text().await.unwrap().contains("\"events\""));
    }
}

#[tokio::test]
async fn view_only_reads_events_and_the_log() {
    let process = Process::start_with(&["--memory"]).await;
    let view = View::of(process.app.url()).await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = view.request(method.clone(), "events");
        let response = request.body("{}").send().await.unwrap();
        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
    for path in [
        "viewer/none.js",
        "health",
        "eventss",
        "events/%2e%2e/health",
    ] {
        assert_eq!(
            view.get(path).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let checkpoint = view.get("log/checkpoint").await.text().await.unwrap();
    assert!(checkpoint.contains("not_sealed"), "{checkpoint}");
}

#[tokio::test]
async fn view_sends_the_token_and_says_if_it_is_wrong() {
    // Not a log: it tells which headers it got.
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = asked.clone();
    let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| async move {
        let token = headers.get("authorization").cloned();
        let is_known = token.as_ref().is_some_and(|token| token == "Bearer right");
        seen.lock().unwrap().push(headers);
        match is_known {
            true => (axum::http::StatusCode::OK, "{}"),
            false => (
                axum::http::StatusCode::UNAUTHORIZED,
                r#"{"message":"Unauthorized"}"#,
            ),
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = format!("http://{}/prod", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let wrong = [("AUDIT_LOG_TOKEN", "wrong")];
    let (code, printed) = run_with(&wrong, &["view", "--log", &log]).await;
    assert_eq!(code, 2, "{printed}");
    assert!(
        printed.contains("401") && printed.contains("Unauthorized"),
        "{printed}"
    );

    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
    command
        .args(["view", "--log", &log])
        .env("AUDIT_LOG_TOKEN", "right");
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(
        line.starts_with(&format!("{log} is shown at  http://127.0.0.1:")),
        "{line}"
    );
    let page = line.split_whitespace().next_back().unwrap();
    let request = Client::new()
        .get(format!("{page}events"))
        .header("cookie", "a=b");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let headers = asked.lock().unwrap().pop().unwrap();
    assert!(!headers.contains_key("cookie"));
}

#[tokio::test]
async fn view_of_a_log_that_does_not_respond_ends() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let (code, printed) = run_with(&[], &["view", "--log", &log]).await;
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("does not respond"), "{printed}");
}

#[tokio::test]
async fn the_local_service_shows_its_page_and_keeps_its_routes() {
    let process = Process::start_with(&["--memory"]).await;
    let url = process.app.url();
    let client = Client::new();
    let get = |path: &str| client.get(format!("{url}{path}")).send();
    let page = get("/").await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let settings = get("/viewer/settings.json").await.unwrap();
    let settings = settings.text().await.unwrap();
    assert!(settings.contains("localhost/log+"), "{settings}");
    // API Gateway has neither, so what else is asked gets its 404.
    for path in ["/viewer", "/viewer/none.js", "/favicon.ico"] {
        assert_eq!(get(path).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    for method in [Method::POST, Method::HEAD] {
        let response = client.request(method, url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}
