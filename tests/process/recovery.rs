//! The steps of docs/operations.md that are commands, on an engine as AWS would have the tables.

use std::collections::HashMap;

use audit_log::config::Settings;
use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::list_events::ListEvents;
use audit_log_cli::serve::engine::Address;
use audit_log_testing::{event, ids, list_request, post_request, settings};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};

use super::{Process, run_with};

const EVENTS: usize = 40;
/// How many are recorded after the point in time to which the table is restored.
const LOST: usize = 5;

/// Runs `rebuild` on tables wherever AWS's own variables point, and gives its exit code and what it
/// printed.
async fn rebuild(
    engine: &str,
    events_table: &str,
    keys_table: &str,
    counts_table: &str,
) -> (i32, String) {
    let environment = [
        ("AWS_ENDPOINT_URL_DYNAMODB", engine),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let tables = [
        ["--table", events_table],
        ["--keys-table", keys_table],
        ["--counts-table", counts_table],
        ["--shards", "2"],
    ];
    run_with(
        &environment,
        &[&["rebuild"], tables.as_flattened()].concat(),
    )
    .await
}

/// What `restore-table-to-point-in-time` makes of a table: its items, keys and indexes under
/// another name. No stream, no policy, no backups.
async fn restore(client: &Client, table: &str, into: &str) {
    let described = client
        .describe_table()
        .table_name(table)
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    let index = described.global_secondary_indexes().iter().map(|index| {
        let builder = GlobalSecondaryIndex::builder().index_name(index.index_name().unwrap());
        let keys = Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build();
        builder
            .set_key_schema(Some(index.key_schema().to_vec()))
            .projection(keys)
            .build()
            .unwrap()
    });
    let create = client
        .create_table()
        .table_name(into)
        .billing_mode(BillingMode::PayPerRequest);
    let indexes: Vec<_> = index.collect();
    let create = create
        .set_key_schema(Some(described.key_schema().to_vec()))
        .set_attribute_definitions(Some(described.attribute_definitions().to_vec()))
        .set_global_secondary_indexes(Some(indexes).filter(|indexes| !indexes.is_empty()));
    create.send().await.unwrap();
    for item in client
        .scan()
        .table_name(table)
        .send()
        .await
        .unwrap()
        .items()
    {
        client
            .put_item()
            .table_name(into)
            .set_item(Some(item.clone()))
            .send()
            .await
            .unwrap();
    }
}

/// An index that has nothing yet, as a new stack has it.
async fn empty_counts(client: &Client, table: &str) {
    let names = [("node", KeyType::Hash), ("lane", KeyType::Range)];
    let attribute = |name| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
    };
    let key = |(name, kind)| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let create = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    let create = names.iter().fold(create, |create, (name, _)| {
        create.attribute_definitions(attribute(*name).build().unwrap())
    });
    create
        .set_key_schema(Some(names.map(key).to_vec()))
        .send()
        .await
        .unwrap();
}

async fn items(client: &Client, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    client
        .scan()
        .table_name(table)
        .consistent_read(true)
        .send()
        .await
        .unwrap()
        .items()
        .to_vec()
}

#[tokio::test]
async fn a_restored_table_has_every_event_and_gets_a_new_count_index() {
    let process = Process::start_with(&["--memory"]).await;
    let client = Address::new(&process.engine).client().await;
    let document = |number: usize| {
        event(
            &format!("u{}", number % 3),
            &format!("2024-01-01T00:00:{number:02}Z"),
        )
    };
    for number in 0..EVENTS + LOST {
        // What happens after the point in time is not in it.
        if number == EVENTS {
            restore(&client, "EventsTable", "Restored").await;
            restore(&client, "KeysTable", "RestoredKeys").await;
            empty_counts(&client, "RestoredCounts").await;
        }
        let key = format!("key-{number}");
        let response = process
            .app
            .post_with(&[("idempotency-key", &key)], document(number))
            .await;
        assert_eq!(response.status, 201);
    }

    let (code, printed) = rebuild(
        &process.engine,
        "Restored",
        "RestoredKeys",
        "RestoredCounts",
    )
    .await;
    assert!(
        code == 1 && printed.contains("was not in the index, or not completely"),
        "{printed}"
    );
    let (code, printed) = rebuild(
        &process.engine,
        "Restored",
        "RestoredKeys",
        "RestoredCounts",
    )
    .await;
    assert!(
        code == 0 && printed.contains(&format!("Compared {EVENTS} events")),
        "{printed}"
    );

    // What the new stack's functions show of it, and what they answer to callers who report all of
    // it again.
    let settings = Settings {
        events_table: "Restored".to_owned(),
        keys_table: "RestoredKeys".to_owned(),
        counts_table: "RestoredCounts".to_owned(),
        ..settings(2)
    };
    let deps = Deps::new(client.clone(), &settings);
    let list = ListEvents::new(deps.clone());
    let listed = async || {
        let response = list.handle(list_request("per_page=1000")).await;
        let list: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(list["total"], ids(&list).len());
        ids(&list)
    };
    let original = process.ids().await;
    assert_eq!(listed().await, original[LOST..]);
    let create = CreateEvent::new(deps);
    for number in 0..EVENTS + LOST {
        let key = format!("key-{number}");
        let response = create
            .handle(post_request(Some(&key), document(number)))
            .await;
        assert_eq!(
            response.status(),
            if number < EVENTS { 200 } else { 201 },
            "{response:?}"
        );
    }
    // What was reported again has a new id, and its old time.
    let again = listed().await;
    let time = |id: &String| id[..18].to_owned();
    assert_eq!(again[LOST..], original[LOST..]);
    assert!(again.iter().map(time).eq(original.iter().map(time)));

    // Keys of a later second than the events: each that has lost its event is named.
    let (code, printed) = rebuild(&process.engine, "Restored", "KeysTable", "RestoredCounts").await;
    assert!(
        code == 1 && printed.contains(&format!("{LOST} lost keys")),
        "{printed}"
    );
}

#[tokio::test]
async fn a_rebuild_counts_events_without_a_user() {
    let process = Process::start_with(&["--memory"]).await;
    let client = Address::new(&process.engine).client().await;
    for number in 0..EVENTS {
        let at = format!("2024-01-01T00:00:{number:02}Z");
        let document = event("u", &at).replace(r#""user_id":"u""#, r#""user_id":null"#);
        assert_eq!(process.app.post(document).await.status, 201);
    }
    empty_counts(&client, "NewCounts").await;
    for (code, verdict) in [(1, "was not in the index"), (0, "no difference")] {
        let rebuilt = rebuild(&process.engine, "EventsTable", "KeysTable", "NewCounts").await;
        assert_eq!(rebuilt.0, code, "{}", rebuilt.1);
        assert!(rebuilt.1.contains(verdict), "{}", rebuilt.1);
        let compared = format!("Compared {EVENTS} events");
        assert!(rebuilt.1.contains(&compared), "{}", rebuilt.1);
    }
    let settings = Settings {
        counts_table: "NewCounts".to_owned(),
        ..settings(2)
    };
    let list = ListEvents::new(Deps::new(client, &settings));
    let response = list.handle(list_request("per_page=1")).await;
    let list: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(list["total"], EVENTS);
    assert_eq!(list["events"][0]["user_id"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_count_index_is_rebuilt_while_the_service_runs() {
    let process = Process::start_with(&["--memory"]).await;
    for number in 0..EVENTS {
        process
            .app
            .post(event("u", &format!("2024-01-01T00:00:{number:02}Z")))
            .await;
    }
    let client = Address::new(&process.engine).client().await;
    for node in items(&client, "CountsTable").await {
        let delete = client.delete_item().table_name("CountsTable");
        delete
            .key("node", node["node"].clone())
            .key("lane", node["lane"].clone())
            .send()
            .await
            .unwrap();
    }
    let total = async || process.app.get("/events?per_page=1").await.json()["total"].clone();
    assert_eq!(total().await, EVENTS, "counted on the table itself");
    assert_eq!(
        rebuild(&process.engine, "EventsTable", "KeysTable", "CountsTable")
            .await
            .0,
        1
    );
    assert_eq!(
        rebuild(&process.engine, "EventsTable", "KeysTable", "CountsTable")
            .await
            .0,
        0
    );
    assert_eq!(total().await, EVENTS);
}
