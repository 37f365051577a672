//! Users, as other systems name them.

use audit_log_testing::App;

use super::{document, problem, query};

/// As in obot-platform/obot#3719 and logicmonitor/lm-powershell-module#82, where such characters are
/// encoded twice or not at all.
const ODD_USERS: [&str; 56] = [
    "a/b",
    "/a",
    "a#b",
    "a%b",
    "%",
    "%%",
    "%2F",
    "a%2Fb",
    "a%252Fb",
    "%00",
    "%zz",
    "a+b",
    "a b",
    " a",
    "a ",
    "a&b",
    "a=b",
    "a;b",
    "a?b",
    "a\\b",
    "a\"b",
    "a'b",
    "a\0b",
    "a\tb",
    "a\nb",
    "a\rb",
    "a\u{7f}b",
    "a\u{85}b",
    "a,b",
    "a:b",
    "a@b.org",
    "jon+tag@b.org",
    "<a>",
    "{a}",
    "[a]",
    "(a)",
    "a|b",
    "a^b",
    "a`b",
    "a~b",
    "a*b",
    "a!b",
    "$a",
    ".",
    "..",
    "../a",
    "é",
    "😀",
    "שלום",
    "\u{202e}a",
    "\u{200b}",
    "\u{feff}a",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "arn:aws:iam::111122223333:user/ann",
    "CORP\\jd",
    "null",
];

#[tokio::test]
async fn any_user_is_found_alone_and_by_the_links() {
    let app = App::open().await;
    let mut recorded = Vec::new();
    for (second, user) in (0..).zip(ODD_USERS) {
        let json = serde_json::to_string(user).unwrap();
        let at = app.second(second);
        let mut ids = Vec::new();
        for fraction in 0..2 {
            let document = document(&json, "t", &format!("{at}.{fraction}Z"), "s", "null");
            ids.insert(0, app.record(document).await);
        }
        recorded.push((user, ids));
    }
    for (user, ids) in recorded {
        let query = query(&[("user_id", user)]);
        let list = app.list(&format!("per_page=1&{query}")).await;
        assert_eq!(list.json()["total"], 2, "{user:?}");
        let path = format!("/events?{}&per_page=1&{query}", app.stretch());
        assert_eq!(app.follow_ids(&path).await, ids, "{user:?}");
    }
}

/// As in camunda/camunda#42901, open-mercato/open-mercato#4732, getsentry/sentry#35797 and
/// getnora-io/nora#985: a request that Vault denies has no name to show.
#[tokio::test]
async fn an_unknown_caller_is_null_and_neither_empty_nor_absent() {
    let app = App::open().await;
    let at = format!("{}Z", app.second(0));
    let record =
        r#"{"type":"request","auth":{"token_type":"default"},"error":"permission denied"}"#;
    let with = |user: &str| document(user, "read", &at, "vault", record);
    let id = app.record(with("null")).await;
    assert_eq!(app.list("src_service=vault").await.ids(), [id]);

    let absent = with("null").replacen("\"user_id\":null,", "", 1);
    let empty = problem(&app, with("\"\""), "user_id").await;
    assert!(
        empty.contains("or null for an event without a user"),
        "{empty}"
    );
    assert_eq!(problem(&app, absent, "user_id").await, "is required");
}
