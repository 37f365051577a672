//! Template, OpenAPI description, `cargo lambda watch` and handlers have the same routes.

use std::collections::BTreeSet;

use audit_log_cli::serve::template::Template;
use audit_log_testing::{App, read_file, repo_path};
use reqwest::Method;
use serde_json::Value;

/// `GET /events/{id}`, and the function that serves it.
type Routes = BTreeSet<(String, String)>;

fn of_the_template() -> Routes {
    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let mut routes = Routes::new();
    for function in template.functions.into_values() {
        for route in function.routes {
            routes.insert((
                format!("{} {}", route.method, route.path),
                function.binary.clone(),
            ));
        }
    }
    routes
}

#[test]
fn the_description_has_the_templates_routes() {
    let description: Value = serde_saphyr::from_str(&read_file("openapi.yaml")).unwrap();
    let methods = [
        "get", "put", "post", "delete", "options", "head", "patch", "trace",
    ];
    let mut described = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        // The same parameter, as OpenAPI spells it.
        let path = path.replace("{path}", "{path+}");
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| methods.contains(&key.as_str()))
        {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let declared: BTreeSet<_> = of_the_template()
        .into_iter()
        .map(|(route, _)| route)
        .collect();
    assert_eq!(described, declared);
}

/// Each response to a GET of JSON depends on what the client accepts, and can be compressed.
#[test]
fn the_description_has_the_headers_of_each_get_of_json() {
    let description: Value = serde_saphyr::from_str(&read_file("openapi.yaml")).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let response = &item["get"]["responses"]["200"];
        if response["content"]["application/json"].is_null() {
            continue;
        }
        for (header, component) in [
            ("Vary", "#/components/headers/VaryOfGet"),
            ("Content-Encoding", "#/components/headers/ContentEncoding"),
        ] {
            let declared = &response["headers"][header]["$ref"];
            assert_eq!(declared, component, "{header} of GET {path}");
        }
        found.insert(path.as_str());
    }
    let expected = [
        "/events",
        "/events/facets",
        "/events/feed",
        "/events/histogram",
        "/events/{id}",
    ];
    assert!(found.into_iter().eq(expected));
}

#[test]
fn cargo_lambda_watch_has_the_templates_routes() {
    let manifest: toml::Table = read_file("Cargo.toml").parse().unwrap();
    let mut mapped = Routes::new();
    for (path, routes) in manifest["package"]["metadata"]["lambda"]["watch"]["router"]
        .as_table()
        .unwrap()
    {
        // The same parameter, as cargo-lambda spells it.
        let path = path.replace("{*path}", "{path+}");
        for route in routes.as_array().unwrap() {
            let (method, function) = (
                route["method"].as_str().unwrap(),
                route["function"].as_str().unwrap(),
            );
            mapped.insert((format!("{method} {path}"), function.to_owned()));
        }
    }
    assert_eq!(mapped, of_the_template());
}

#[tokio::test]
async fn a_handler_answers_each_route_and_the_gateway_what_is_none() {
    let app = App::start().await;
    let routes = of_the_template();
    assert_eq!(routes.len(), 9);
    for method in [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
    ] {
        for path in [
            "/events",
            "/events/{id}",
            "/events/histogram",
            "/events/facets",
            "/events/feed",
            "/events/{id}/proof",
            "/log/checkpoint",
            "/log/{path+}",
            "/log",
            "/log/",
            "/events/{id}/x",
            "/events/{id}/histogram",
            "/event",
        ] {
            let instance = path.replace("{id}", "1").replace("{path+}", "tile/0/000");
            let request = app.request(method.clone(), &instance);
            let response = app.send(request).await;
            // Handlers set it in every response.
            let handled = response.header("x-content-type-options").is_some();
            let declared = routes
                .iter()
                .any(|(route, _)| *route == format!("{method} {path}"));
            assert_eq!(handled, declared, "{method} {path}: {response:?}");
        }
    }
}

/// A function that is added to the template is only complete with all of these.
#[test]
fn each_function_has_a_binary_a_handler_and_a_deployment() {
    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let manifest: toml::Table = read_file("Cargo.toml").parse().unwrap();
    let binaries: Vec<&str> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|binary| binary["name"].as_str().unwrap())
        .collect();
    let deployment = read_file(".github/workflows/deploy.yml");
    let outputs = read_file("template.yaml");
    assert_eq!(template.functions.len(), binaries.len());
    for (logical_id, function) in template.functions {
        let binary = function.binary.as_str();
        assert!(binaries.contains(&binary), "Cargo.toml lacks {binary}");
        let main = repo_path(&format!("functions/bin/{binary}.rs"));
        assert!(main.exists(), "{} is missing", main.display());
        let handler = read_file("cli/src/serve/functions.rs");
        assert!(
            handler.contains(&format!("\"{binary}\" =>")),
            "cli lacks {binary}"
        );
        assert!(
            deployment.contains(&format!("deploy {binary} ")),
            "deploy.yml lacks {binary}"
        );
        let output = format!("{logical_id}Name:");
        assert!(
            outputs.contains(&output),
            "template.yaml lacks the output {output}"
        );
    }
}
