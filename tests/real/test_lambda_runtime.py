"""The functions that `sam build` built. cargo-lambda invokes them through the Runtime API."""

import json
import urllib.request

from conftest import FUNCTIONS, bootstrap, contract_tests, free_port, function_environment


def test_the_contract_holds_for_the_built_functions_behind_the_runtime_api(programs, service):
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = ["cargo", "lambda", "watch", "--package", "audit-log", "--only-lambda-apis"]
    programs.start(*command, "--invoke-address", "127.0.0.1", "--invoke-port", port, port=port)
    # Gateway, engine, stream and seal-events are those of the local service, which has the key of the log. The other
    # functions are those of a deployment.
    local = service("--lambda-url", endpoint)
    for binary in FUNCTIONS.keys() - {"seal-events"}:
        environment = function_environment(binary, f"{endpoint}/.rt/{binary}", local.dynamodb_url)
        programs.start(bootstrap(binary), env=environment)
    contract_tests(local.url)

    # cargo-lambda's own HTTP server uses the routes in Cargo.toml.
    with urllib.request.urlopen(f"{endpoint}/events?per_page=1", timeout=30) as answer:
        page = json.load(answer)
    assert page["total"] > 0 and len(page["events"]) == 1
    with urllib.request.urlopen(f"{endpoint}/events/{page['events'][0]['id']}", timeout=30) as answer:
        assert json.load(answer) == page["events"][0]
