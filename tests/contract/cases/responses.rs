//! What every response to a GET has in common: compression, and the headers around it.

use audit_log_testing::{App, Response};

/// A log with a list of about 3 KB in the stretch of the test.
async fn filled() -> App {
    let app = App::open().await;
    let app_data = format!("\"{}\"", "é text ".repeat(40));
    for second in 0..5 {
        app.record(app.event("1", second, &app_data)).await;
    }
    app
}

async fn list_with(app: &App, headers: &[(&str, &str)], parameters: &str) -> Response {
    let path = format!("/events?{}&{parameters}", app.stretch());
    app.get_with(headers, &path).await
}

/// As in brefphp/bref#1661, quiltdata/quilt#1588, adobe/spacecat-api-service#2045,
/// adobe/helix-html2md-service#776, pytorch/test-infra#197, stac-utils/stac-server#190 and
/// serverless/serverless#4593.
#[tokio::test]
async fn a_list_is_compressed_for_who_accepts_gzip() {
    let app = filled().await;
    for format in ["application/json", "application/x-ndjson", "text/csv"] {
        let plain = list_with(&app, &[("accept", format)], "").await;
        assert_eq!(plain.header("content-encoding"), None);
        for accepted in ["gzip", "br, GZIP;q=0.5", "*", "x-gzip"] {
            let headers = [("accept", format), ("accept-encoding", accepted)];
            let response = list_with(&app, &headers, "").await;
            assert_eq!(response.header("content-encoding"), Some("gzip"));
            assert_eq!(response.text, plain.text);
            assert!(response.bytes < plain.bytes / 2, "{response:?}");
            for name in ["content-type", "link", "cache-control"] {
                assert_eq!(response.header(name), plain.header(name));
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_plain_for_who_does_not_want_gzip() {
    let app = filled().await;
    for accepted in ["", "br", "identity", "gzip;q=0", "gzip;q=0.1, identity"] {
        let response = list_with(&app, &[("accept-encoding", accepted)], "").await;
        assert_eq!(response.header("content-encoding"), None, "{accepted}");
        assert_eq!(response.ids().len(), 5);
    }
}

#[tokio::test]
async fn a_body_of_less_than_1_kib_is_not_compressed() {
    let app = filled().await;
    let gzip = [("accept-encoding", "gzip")];
    let one = list_with(&app, &gzip, "per_page=1").await;
    assert!(one.bytes < 1024);
    assert_eq!(one.header("content-encoding"), None);
    let error = app.get_with(&gzip, "/events/1").await;
    assert_eq!(error.header("content-encoding"), None);
}

#[tokio::test]
async fn a_cache_is_told_what_a_response_depends_on() {
    let app = filled().await;
    let id = app.list("").await.ids()[0].clone();
    for path in ["/events", "/events?page=0", &format!("/events/{id}")] {
        for accept in ["*/*", "text/csv", "image/png"] {
            let headers = [("accept", accept), ("accept-encoding", "gzip")];
            let response = app.get_with(&headers, path).await;
            let vary = response.header("vary").unwrap();
            assert_eq!(vary, "accept, accept-encoding", "{path}");
            assert_eq!(response.header("cache-control"), Some("no-store"));
            let sniffing = response.header("x-content-type-options");
            assert_eq!(sniffing, Some("nosniff"));
        }
    }
}
