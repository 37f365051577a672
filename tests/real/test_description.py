"""openapi.yaml against the running service: every check of schemathesis."""

import subprocess

from conftest import ROOT

SETTINGS = ROOT / "tests" / "openapi"


def test_the_service_is_what_its_description_says(service):
    command = ["st", "--config-file", SETTINGS / "schemathesis.toml", "run", ROOT / "openapi.yaml"]
    outcome = subprocess.run([*command, "--url", service().url, "--checks", "all"], cwd=SETTINGS, timeout=900)
    assert outcome.returncode == 0
