//! GET /events with filters: alone, together, and in both orders.

use audit_log_testing::{App, event};
use serde_json::json;

/// A document whose fields to filter by have these values. The user is JSON.
fn document(app: &App, n: u32, user: &str, kind: &str, service: &str) -> String {
    event("1", &format!("{}Z", app.second(n)))
        .replace("\"user_id\":\"1\"", &format!("\"user_id\":{user}"))
        .replace("\"test\"", &format!("\"{kind}\""))
        .replace("\"tests\"", &format!("\"{service}\""))
}

/// Two users, three types and two services, in 12 seconds. Gives what each event has, oldest first.
async fn fill(app: &App) -> Vec<(String, [String; 3])> {
    let mut events = Vec::new();
    for n in 0..12_u32 {
        let [user, kind, service] = [
            ["ann", "bob"][(n % 2) as usize],
            ["login", "logout", "a b/ü&="][(n % 3) as usize],
            ["web", "billing"][(n / 6) as usize],
        ];
        let document = document(app, n, &format!("\"{user}\""), kind, service);
        let fields = [user, kind, service].map(str::to_owned);
        events.push((app.record(document).await, fields));
    }
    events
}

const NAMES: [&str; 3] = ["user_id", "event_type", "src_service"];

/// Each combination of filters, as a query and as the values that an event must have.
fn combinations() -> Vec<(String, [Option<&'static str>; 3])> {
    let mut all = Vec::new();
    for user in [None, Some("ann")] {
        for kind in [None, Some("login"), Some("a b/ü&=")] {
            for service in [None, Some("billing")] {
                let wanted = [user, kind, service];
                let named = NAMES.iter().zip(wanted);
                let query: String = named
                    .filter_map(|(name, value)| Some((name, value?)))
                    .map(|(name, value)| {
                        let value = value.replace(' ', "%20").replace('&', "%26");
                        format!("&{name}={}", value.replace('=', "%3D"))
                    })
                    .collect();
                all.push((query, wanted));
            }
        }
    }
    all
}

/// As in gravitational/teleport#8155, cryptomator/hub#286, growthbook/growthbook#1906,
/// growthbook/growthbook#2801, OctopusDeploy/Issues#701, Chocobozzz/PeerTube#3505, codidact/qpixel#1639,
/// coder/coder#4077, tgreaves/compunet-reborn#128, craftersoftware/craftercms#533, philterd/philter#95
/// and Tr3kkR/Yuzu#2767.
#[tokio::test]
async fn each_filter_and_all_together_list_exactly_what_matches() {
    let app = App::open().await;
    let events = fill(&app).await;
    for (query, wanted) in combinations() {
        let matches = |fields: &[String; 3]| {
            let mut pairs = fields.iter().zip(wanted);
            pairs.all(|(has, wanted)| wanted.is_none_or(|wanted| has == wanted))
        };
        let mut expected: Vec<String> = events
            .iter()
            .filter(|(_, fields)| matches(fields))
            .map(|(id, _)| id.clone())
            .collect();
        for order in ["asc", "desc"] {
            // Oldest first at first.
            if order == "desc" {
                expected.reverse();
            }
            let parameters = format!("per_page=100&order={order}{query}");
            let list = app.list(&parameters).await;
            assert_eq!(list.ids(), expected, "{parameters}");
            let list = list.json();
            assert_eq!(list["total"], expected.len(), "{parameters}");
            assert_eq!(list["total_exact"], true, "{parameters}");

            // By cursor, and by number.
            let path = format!("/events?{}&per_page=2&order={order}{query}", app.stretch());
            assert_eq!(app.follow_ids(&path).await, expected, "{path}");
            for (number, page) in expected.chunks(2).enumerate() {
                let path = format!("{path}&page={}", number + 1);
                assert_eq!(app.get(&path).await.ids(), page, "{path}");
            }
            let past = format!("{path}&page=9");
            assert_eq!(app.get(&past).await.ids(), Vec::<String>::new(), "{past}");

            // Without a total.
            let path = format!("{path}&total=false");
            assert_eq!(app.follow_ids(&path).await, expected, "{path}");
        }
    }
}

/// As in Azure/azure-docs-powershell-azuread#755, microsoftgraph/microsoft-graph-docs#13684 and
/// obot-platform/obot#3758 (case), and in hashicorp/vault-plugin-auth-jwt#379, wasp-lang/wasp#4698 and
/// permissionlesstech/bitchat#214 (composed and decomposed).
#[tokio::test]
async fn values_are_compared_byte_by_byte() {
    let app = App::open().await;
    let users = [
        "\"Homer@x.org\"",
        "\"homer@x.org\"",
        "\"jos\\u00e9\"",
        "\"jose\\u0301\"",
    ];
    let mut ids = Vec::new();
    for (n, user) in users.iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        ids.push(app.record(document(&app, n, user, "t", "s")).await);
    }
    let encoded = ["Homer@x.org", "homer@x.org", "jos%C3%A9", "jose%CC%81"];
    for (user, id) in encoded.iter().zip(ids) {
        assert_eq!(app.list(&format!("user_id={user}")).await.ids(), [id]);
    }
}

/// As in camunda/camunda#42901, open-mercato/open-mercato#4732, getsentry/sentry#35797,
/// getsentry/sentry#3431 and getnora-io/nora#985.
#[tokio::test]
async fn an_event_without_a_user_is_recorded_and_listed() {
    let app = App::open().await;
    let system = app
        .record(document(&app, 1, "null", "boot", "kernel"))
        .await;
    let of_null = app
        .record(document(&app, 2, "\"null\"", "boot", "kernel"))
        .await;
    let shown = app.get(&format!("/events/{system}")).await.json();
    assert_eq!(shown["user_id"], json!(null));
    assert_eq!(app.list("").await.ids(), [of_null.clone(), system.clone()]);
    assert_eq!(app.list("user_id=null").await.ids(), [of_null.as_str()]);
    let list = app.list("event_type=boot").await;
    assert_eq!(list.ids(), [of_null, system]);
    assert_eq!(list.json()["total"], 2);
}

/// As in privacyidea/privacyidea#355.
#[tokio::test]
async fn a_user_id_may_have_512_bytes() {
    let app = App::open().await;
    // The longest name that a service account of Kubernetes has is 339 bytes long.
    let (namespace, name) = ("n".repeat(63), "s".repeat(253));
    let account = format!("system:serviceaccount:{namespace}:{name}");
    for user in [account, "é".repeat(256)] {
        let id = app
            .record(document(&app, 1, &format!("\"{user}\""), "t", "s"))
            .await;
        let encoded = user.replace('é', "%C3%A9");
        assert_eq!(app.list(&format!("user_id={encoded}")).await.ids(), [id]);
    }
}

/// As in IATA-Cargo/ONE-Record#420, TheHive-Project/TheHive#1230, cockroachdb/docs#15349,
/// highlight/highlight#4808 and near/queryapi#849.
#[tokio::test]
async fn the_oldest_come_first_and_a_walk_goes_on_at_the_end() {
    let app = App::open().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(app.record(app.event("1", n, "{}")).await);
    }
    let walk = format!("/events?{}&order=asc&per_page=2", app.stretch());
    let pages = app.follow(&walk).await;
    let shown: Vec<String> = pages
        .iter()
        .flat_map(audit_log_testing::Response::ids)
        .collect();
    assert_eq!(shown, ids);
    // An event that is recorded later is what follows the last one.
    let later = app.record(app.event("1", 3, "{}")).await;
    let cursor = shown.last().unwrap();
    let rest = app.get(&format!("{walk}&cursor={cursor}")).await;
    assert_eq!(rest.ids(), [later]);
    for rel in ["first", "next", "last"] {
        let link = pages[0].link(rel).unwrap();
        assert!(link.contains("order=asc"), "{rel}: {link}");
    }
    let error = app.list("order=oldest").await.json();
    assert_eq!(error["fields"][0]["field"], "order", "{error}");
}

/// As in gravitational/teleport#7249, apache/cloudstack-primate#705 and
/// hortonworks/cloudbreak#8483.
#[tokio::test]
async fn a_large_page_without_a_total_comes_shorter() {
    let app = App::open().await;
    let large = format!("\"{}\"", "x".repeat(250_000));
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.insert(0, app.record(app.event("1", n, &large)).await);
    }
    for filter in [
        "",
        "&user_id=1",
        "&event_type=test",
        "&user_id=1&src_service=tests",
    ] {
        // By page number it would have to be complete. DynamoDB Local reads fewer entries of an index
        // if their events are large, so several filters find a short page there.
        let refused = app.list(&format!("per_page=500{filter}")).await;
        if refused.status == 200 {
            assert!(filter.contains("&src_service"), "{filter}");
            assert!(refused.link("next").is_some(), "{refused:?}");
        } else {
            assert_eq!(
                refused.error(),
                (422, "page_too_large".to_owned()),
                "{filter}"
            );
        }
        let path = format!("/events?{}&per_page=500&total=false{filter}", app.stretch());
        let pages = app.follow(&path).await;
        assert!(pages.len() > 1, "{path}");
        let shown: Vec<String> = pages
            .iter()
            .flat_map(audit_log_testing::Response::ids)
            .collect();
        assert_eq!(shown, ids, "{path}");
    }
}
