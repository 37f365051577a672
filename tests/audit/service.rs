//! The commands of an auditor, as processes, on a log that the real functions write.

use std::path::Path;
use std::process::Output;

use audit_log_testing::App;
use serde_json::Value;
use tokio::process::Command;

/// Runs a command to its end.
pub async fn run(arguments: &[&str]) -> Output {
    run_with(&[], arguments).await
}

/// The same, with these environment variables.
pub async fn run_with(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
    command.args(arguments).env_remove("AUDIT_LOG_TOKEN");
    command.envs(environment.iter().copied());
    command.output().await.unwrap()
}

/// What a command printed.
pub fn text(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{stdout}{stderr}")
}

/// Reports events of three users.
pub async fn report(app: &App, events: u32) {
    for number in 0..events {
        let user = number % 3;
        app.record(format!(
            "{{\"user_id\": {user},\n \"event_type\": \"type-{}\", \"timestamp\": \
             \"2024-01-01T00:00:00Z\", \"src_service\": \"s\", \"invariant_data\": 1.0, \
             \"app_data\": null}}",
            number % 2
        ))
        .await;
    }
}

/// A log of some events, all of them sealed, and its key.
async fn log() -> (App, String) {
    let app = App::start().await;
    report(&app, 20).await;
    app.service().sealed().await;
    app.service().indexed().await;
    let key = app.service().log_key.verifier_key().to_string();
    (app, key)
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_the_real_service_is_clean_and_cosigned() {
    let (app, key) = log().await;
    let folder = tempfile::tempdir().unwrap();
    let cosigner = path(folder.path(), "cosigner");
    let output = run(&["vkey", "--cosigner", "example.org/a", "--key", &cosigner]).await;
    assert!(
        text(&output).starts_with("example.org/a+"),
        "{}",
        text(&output)
    );

    let state = path(folder.path(), "state");
    let arguments = [
        "verify",
        "--log",
        app.url(),
        "--vkey",
        &key,
        "--state",
        &state,
        "--cosign",
        &cosigner,
    ];
    let output = run(&arguments).await;
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let expected = "Compared 20 entries of localhost/log with 20 events and 7 lists: no fault.";
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains("\n\u{2014} example.org/a "), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_exit_1_and_no_log_is_exit_2() {
    let (app, _) = log().await;
    let other = audit_log_cli::serve::log_key::LogKey::generate().unwrap();
    let key = other.verifier_key().to_string();
    let output = run(&["verify", "--log", app.url(), "--vkey", &key, "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let printed = text(&output);
    let first: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    assert_eq!(first["verdict"], "forged");

    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().display().to_string();
    let output = run(&["verify", "--bundle", &nothing, "--vkey", &key]).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("could not finish"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_real_service_is_verified_offline() {
    let (app, key) = log().await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = path(folder.path(), "bundle");
    let output = run(&[
        "export",
        "--log",
        app.url(),
        "--bundle",
        &bundle,
        "--vkey",
        &key,
    ])
    .await;
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("Copied 20 entries and 20 events"),
        "{printed}"
    );
    drop(app);

    // The key of the copy is a file.
    let vkey = path(folder.path(), "bundle/vkey");
    let output = run(&["verify", "--bundle", &bundle, "--vkey", &vkey]).await;
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("A bundle has no lists"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_needs_no_certificates_of_the_system() {
    let (app, key) = log().await;
    let none = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let commands = [
        &["verify", "--log", app.url(), "--vkey", &key][..],
        &["demo", "--log", app.url(), "--events", "1"],
    ];
    for command in commands {
        let output = run_with(&none, command).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
}
