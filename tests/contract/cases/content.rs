//! Content that a caller controls must not keep the caller out of the log: what is refused for its
//! form can be recorded in another form.
//!
//! As in privacyidea/privacyidea#5852, privacyidea/privacyidea#355, adcontextprotocol/adcp#4502,
//! thingsboard/thingsboard#12667 and joshdrummond/webpasswordsafe#20.

use audit_log_testing::App;

use super::document;

/// Refuses what a careless reporter sends, and records what a careful one makes of it.
async fn refused_then_recorded(app: &App, careless: &str, status: u16, careful: &str) {
    let at = format!("{}Z", app.second(0));
    let of_user = |user: &str, data: &str| document(user, "login_failed", &at, "sso", data);
    let response = app.post(of_user("null", careless)).await;
    assert_eq!(response.status, status, "{response:?}");
    let response = app.post(of_user("null", careful)).await;
    assert_eq!(response.status, 201, "{response:?}");
}

#[tokio::test]
async fn a_name_beyond_the_limit_is_recorded_in_app_data() {
    let app = App::open().await;
    let at = format!("{}Z", app.second(0));
    let failed = |user: &str, data: &str| {
        let user = format!("\"{user}\"");
        document(&user, "login_failed", &at, "sso", data)
    };
    assert_eq!(app.post(failed(&"a".repeat(300), "1")).await.status, 201);
    let name = "a".repeat(513);
    let response = app.post(failed(&name, "1")).await;
    assert_eq!(response.error(), (400, "invalid_event".to_owned()));
    let cut = failed(&name[..512], &format!("{{\"name\":\"{name}\"}}"));
    assert_eq!(app.post(cut).await.status, 201);
}

#[tokio::test]
async fn a_broken_text_is_recorded_with_replacements() {
    let app = App::open().await;
    // A name that JavaScript cut within an emoji, and a file name of Python that is not UTF-8.
    for broken in ["\\ud83d", "r-\\udcff.pdf"] {
        let careless = format!("{{\"n\":\"{broken}\"}}");
        let careful = careless.replace("\\ud83d", "\\ufffd");
        let careful = careful.replace("\\udcff", "\\ufffd");
        refused_then_recorded(&app, &careless, 400, &careful).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_deep_is_recorded_as_text() {
    let app = App::open().await;
    let deep = "[".repeat(70) + &"]".repeat(70);
    refused_then_recorded(&app, &deep, 400, &format!("\"{deep}\"")).await;
}

#[tokio::test]
async fn a_text_that_is_too_long_is_recorded_when_it_is_cut() {
    let app = App::open().await;
    let agent = format!("{{\"user_agent\":\"{}\"}}", "x".repeat(256 * 1024));
    let cut = format!("{{\"user_agent\":\"{}\",\"cut\":true}}", "x".repeat(1024));
    refused_then_recorded(&app, &agent, 413, &cut).await;
}

/// As in akka/akka-persistence-dynamodb-1.x#24, gravitational/teleport#14344 and
/// gravitational/teleport#15645, where the limit counts characters, or is found out too late.
#[tokio::test]
async fn the_limit_counts_bytes_and_a_refusal_has_both_numbers() {
    let app = App::open().await;
    let rest = app.event("1", 0, "\"\"").len();
    for text in ["x", "€"] {
        let of_bytes = |bytes: usize| {
            let count = (bytes - rest) / text.len();
            let fill = "y".repeat(bytes - rest - count * text.len());
            let data = format!("\"{}{fill}\"", text.repeat(count));
            app.event("1", 0, &data)
        };
        let largest = of_bytes(262_144);
        assert_eq!(largest.len(), 262_144);
        app.record(largest).await;
        for bytes in [262_145, 400 << 10, 5 << 20] {
            let response = app.post(of_bytes(bytes)).await;
            assert_eq!(response.error(), (413, "event_too_large".to_owned()));
            let sentence = response.json()["error"].as_str().unwrap().to_owned();
            let expected = format!("{bytes} bytes long; at most 262144");
            assert!(sentence.contains(&expected), "{sentence}");
        }
    }
}
