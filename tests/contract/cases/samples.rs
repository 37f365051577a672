//! Records in the shape in which other systems write them, each wrapped in a document: the actor is
//! the `user_id`, the verb the `event_type`, and the record the `app_data`.

use audit_log_testing::App;

use super::{document, query, record_verbatim};

/// A record of another system.
struct Sample {
    system: &'static str,
    /// The user, as JSON.
    user: &'static str,
    verb: &'static str,
    /// The fraction and the offset of its time, as that system writes them.
    fraction: &'static str,
    record: &'static str,
}

const SAMPLES: [Sample; 10] = [
    Sample {
        system: "cloudtrail",
        user: r#""arn:aws:sts::111122223333:assumed-role/ops/ann""#,
        verb: "ConsoleLogin",
        fraction: "Z",
        record: r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","accountId":"111122223333"},"eventTime":"2024-05-06T07:08:09Z","responseElements":null,"errorCode":"AccessDenied","readOnly":false}"#,
    },
    Sample {
        system: "okta",
        user: r#""00u1a2b3c4D5e6F7g8h9""#,
        verb: "user.session.start",
        fraction: ".123Z",
        record: r#"{"actor":{"id":"00u1a2b3c4D5e6F7g8h9","type":"User","detailEntry":null},"outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},"uuid":"f3a1","debugContext":{"debugData":{}},"target":[]}"#,
    },
    Sample {
        system: "kubernetes",
        user: r#""system:serviceaccount:kube-system:job-controller""#,
        verb: "get",
        fraction: ".123456Z",
        record: r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a-1","stage":"ResponseComplete","requestURI":"/api/v1/pods?limit=500\u0026watch=true","annotations":{"authorization.k8s.io/reason":""},"requestReceivedTimestamp":"2024-05-06T07:08:09.123456Z"}"#,
    },
    Sample {
        system: "vault",
        user: "null",
        verb: "read",
        fraction: ".123456789Z",
        record: r#"{"type":"request","auth":{"token_type":"default"},"request":{"path":"secret/data/a","remote_port":40001},"error":"1 error occurred:\n\t* permission denied\n\n"}"#,
    },
    Sample {
        system: "auth0",
        user: r#""github|32487232""#,
        verb: "s",
        fraction: ".5Z",
        record: r#"{"log_id":"90020240506070809123456000000000000001223372036854775807","$event_schema":{"version":"1.0"},"user_name":"ann","details":{"prompts":[],"elapsedTime":null}}"#,
    },
    Sample {
        system: "gcp",
        user: "null",
        verb: "io.k8s.core.v1.nodes.update",
        fraction: ".123456Z",
        record: r#"{"protoPayload":{"@type":"type.example/google.cloud.audit.AuditLog","authenticationInfo":{},"serviceName":"k8s.io"},"insertId":"x-1","severity":"NOTICE"}"#,
    },
    Sample {
        system: "azure",
        user: r#""ann@contoso.onmicrosoft.example""#,
        verb: "MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE",
        fraction: ".1234567Z",
        record: r#"{"resultType":"Start","durationMs":"0","level":"Information","identity":{"claims":{"http://schemas.example/identity/claims/name":"ann"}}}"#,
    },
    Sample {
        system: "teleport",
        user: r#""ann""#,
        verb: "session.command",
        fraction: ".789Z",
        record: r#"{"code":"T4000I","ei":42,"argv":["-la","/tmp"],"cgroup_id":4294968064,"pid":14250,"return_code":0}"#,
    },
    // The time since 1970 stays in the record, and the timestamp is its text.
    Sample {
        system: "github",
        user: r#""octo-ann""#,
        verb: "protected_branch.create",
        fraction: ".123Z",
        record: r#"{"@timestamp":1714979289123,"created_at":1714979289123,"_document_id":"q-1","actor_location":{"country_code":"DE"},"public_repo":false}"#,
    },
    Sample {
        system: "ocsf",
        user: r#""S-1-5-18""#,
        verb: "Authentication: Logon",
        fraction: "+02:00",
        record: r#"{"activity_id":1,"class_uid":3002,"time":1714979289123,"time_dt":"2024-05-06T09:08:09.123+02:00","metadata":{"version":"1.1.0"},"status_id":2,"unmapped":{"Process Id":"0x3e7"}}"#,
    },
];

impl Sample {
    fn document(&self, app: &App, n: u32) -> String {
        let offset = if self.fraction.starts_with('+') {
            120
        } else {
            0
        };
        let at = format!("{}{}", app.second_at(n, offset), self.fraction);
        document(self.user, self.verb, &at, self.system, self.record)
    }
}

#[tokio::test]
async fn records_of_other_systems_come_back_byte_for_byte() {
    let app = App::open().await;
    let mut recorded = Vec::new();
    for (n, sample) in (0..).zip(&SAMPLES) {
        let document = sample.document(&app, n);
        let id = record_verbatim(&app, &document).await;
        recorded.push((sample, id));
    }
    // Each is found by its user, its verb and its system.
    for (sample, id) in &recorded {
        let user: Option<String> = serde_json::from_str(sample.user).unwrap();
        let user = user.unwrap_or_default();
        let mut parameters = vec![("event_type", sample.verb), ("src_service", sample.system)];
        if !user.is_empty() {
            parameters.push(("user_id", &user));
        }
        for parameter in parameters {
            let list = app.list(&query(&[parameter])).await;
            assert_eq!(list.ids(), [id.as_str()], "{parameter:?}");
        }
    }
    let list = app.list("per_page=100").await.text;
    for (n, sample) in (0..).zip(&SAMPLES) {
        assert!(list.contains(&sample.document(&app, n)[1..]));
    }
}

/// Not wrapped: the six fields are added to the record itself.
#[tokio::test]
async fn a_record_may_have_the_six_fields_next_to_its_own() {
    let app = App::open().await;
    for (n, sample) in (0..).zip(&SAMPLES) {
        let document = sample.document(&app, n).replace(sample.record, "null");
        let members = document.strip_prefix('{').unwrap();
        let own = sample.record.strip_suffix('}').unwrap();
        record_verbatim(&app, &format!("{own},\n {members}")).await;
    }
}

/// As a shipper sends them, with the ID of each record as its key.
#[tokio::test]
async fn a_batch_of_records_is_recorded_once_however_often_sent() {
    let app = App::open().await;
    let documents: Vec<String> = (0..)
        .zip(&SAMPLES)
        .map(|(n, sample)| sample.document(&app, n))
        .collect();
    let elements: Vec<String> = documents
        .iter()
        .zip(&SAMPLES)
        .map(|(document, sample)| {
            let key = app.key(sample.system);
            format!(r#"{{"key":"{key}","event":{document}}}"#)
        })
        .collect();
    let body = format!("[{}]", elements.join(","));
    for _ in 0..2 {
        let response = app.post(body.clone()).await;
        assert_eq!(response.json()["recorded"], SAMPLES.len(), "{response:?}");
    }
    let list = app.list("per_page=100").await;
    assert_eq!(list.ids().len(), SAMPLES.len());
    for document in documents {
        assert!(list.text.contains(&document[1..]), "{document}");
    }
}
