//! Strings and names of members that other stores lose, refuse or take for something else.

use audit_log_testing::App;

use super::{document, problem, query, record_verbatim};

/// As in BerriAI/litellm#21883, PrefectHQ/prefect#20677, LuthienResearch/luthien-proxy#816 and
/// reportportal/service-api#2819.
#[tokio::test]
async fn a_nul_character_is_kept() {
    let app = App::open().await;
    let at = format!("{}Z", app.second(0));
    for data in [
        r#""a\u0000b""#.to_owned(),
        r#"{"a\u0000b":1}"#.to_owned(),
        format!("\"{}\"", r"\u0000".repeat(40_000)),
    ] {
        record_verbatim(&app, &document("\"1\"", "t", &at, "s", &data)).await;
    }
    let of_user = document(r#""a\u0000b""#, "t", &at, "s", "null");
    let id = record_verbatim(&app, &of_user).await;
    let list = app.list(&query(&[("user_id", "a\0b")])).await;
    assert_eq!(list.ids(), [id]);
}

/// As in reimagined/resolve#954, michalkvasnicak/aws-lambda-graphql#45, danishi/dynamodb-csv#41 and
/// architect/dynalite#184: DynamoDB takes no empty key of an index.
#[tokio::test]
async fn empty_text_is_kept_except_in_a_field_to_filter_by() {
    let app = App::open().await;
    for data in [r#""""#, r#"{"":1}"#, r#"{"":""}"#, "{}", "[]", r#"[""]"#] {
        record_verbatim(&app, &app.event("1", 0, data)).await;
    }
    let at = format!("{}Z", app.second(0));
    let empty = |user: &str, kind: &str, service: &str| document(user, kind, &at, service, "1");
    for (document, field) in [
        (empty("\"\"", "t", "s"), "user_id"),
        (empty("\"1\"", "", "s"), "event_type"),
        (empty("\"1\"", "t", ""), "src_service"),
    ] {
        problem(&app, document, field).await;
    }
}

/// Names that readers in JavaScript, MongoDB or with paths take for something else.
#[tokio::test]
async fn names_that_readers_trip_over_are_kept() {
    let app = App::open().await;
    let data = r#"{"__proto__":{"a":1},"constructor":1,"$where":"1","a.b":{"c.d":2},"a":{"b":3}}"#;
    let id = record_verbatim(&app, &app.event("1", 0, data)).await;
    let merged =
        app.event("1", 0, "1")
            .replacen('{', "{\"__proto__\":1,\"$where\":2,\"a.b\":3,", 1);
    record_verbatim(&app, &merged).await;
    let event = app.get(&format!("/events/{id}")).await.json();
    assert_eq!(event["app_data"]["a.b"]["c.d"], 2);
}

/// Readers keep one of the two, and not all the same one (RFC 8259 §4).
#[tokio::test]
async fn a_name_that_comes_twice_is_refused_however_it_is_spelled() {
    let app = App::open().await;
    for (data, field) in [
        (r#"{"a":1,"a":1}"#, "app_data.a"),
        (r#"{"a":1,"\u0061":2}"#, "app_data.a"),
        (r#"[{"k":{"\u0061":1,"a":2}}]"#, "app_data[0].k.a"),
        (r#"1,"user\u005fid":"2""#, "user_id"),
    ] {
        problem(&app, app.event("1", 0, data), field).await;
    }
}
