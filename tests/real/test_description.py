"""schemathesis runs all its checks of openapi.yaml against the running service."""

from conftest import ROOT, run

SETTINGS = ROOT / "tests" / "openapi"


def test_the_service_is_what_its_description_says(service):
    command = ["st", "--config-file", SETTINGS / "schemathesis.toml", "run", ROOT / "openapi.yaml"]
    assert run(*command, "--url", service().url, "--checks", "all", cwd=SETTINGS, patience=900) == 0
