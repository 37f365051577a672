"""The black-box tests on DynamoDB Local, AWS's own engine."""

import os
import subprocess

import pytest

from conftest import CACHE, ROOT, cargo_test, free_port


def start_engine(programs):
    """Starts DynamoDB Local. Returns its URL."""
    library = CACHE / "dynamodb-local-3.3.1"
    if not library.is_dir():
        # The folder gets its name after the download, so that an interrupted download is not used.
        partial = library.with_suffix(".partial")
        pom = ROOT / "tests" / "real" / "dynamodb-local.xml"
        command = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        subprocess.run(command, check=True)
        partial.rename(library)
    port = free_port()
    programs.start(
        "java",
        f"-Djava.library.path={library}",
        "-cp",
        f"{library}/*",
        "software.amazon.dynamodb.services.local.main.ServerRunner",
        "-inMemory",
        "-disableTelemetry",
        "-port",
        port,
        port=port,
    )
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("suite", ["contract", "service", "tables"])
def test_the_black_box_tests_pass_on_dynamodb_local(programs, suite):
    environment = {**os.environ, "AUDIT_LOG_TEST_DYNAMODB": start_engine(programs)}
    # Java compiles the engine during its first requests, which can then exceed the timeout of an attempt. So the largest
    # requests are sent once before they count.
    cargo_test("contract", "batch::", env=environment, patience=900, check=False)
    # One test at a time, because this engine handles one request at a time: the megabytes of one test would use up the
    # time that a request of another has.
    cargo_test(suite, "--test-threads=1", env=environment, patience=900)
