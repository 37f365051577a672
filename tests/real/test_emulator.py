"""The functions that `sam build` built, in AWS's own Runtime Interface Emulator, with the payloads of events/."""

import json
import pathlib
import platform
import urllib.request

import samcli

from conftest import FUNCTIONS, ROOT, bootstrap, free_port, function_environment

EMULATOR = (
    pathlib.Path(samcli.__file__).parent
    / "local"
    / "rapid"
    / f"aws-lambda-rie-{'arm64' if platform.machine() == 'aarch64' else 'x86_64'}"
)
# The Rust tests check the handlers against the same table.
EXPECTED = json.loads((ROOT / "testing" / "events.json").read_text())


def test_every_file_of_events_is_answered_in_the_emulator(programs, service, kms):
    local = service()
    EMULATOR.chmod(0o755)
    ports = {}
    for binary in FUNCTIONS:
        ports[binary], runtime_port = free_port(), free_port()
        runtime_api = f"127.0.0.1:{runtime_port}"
        programs.start(
            EMULATOR,
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{ports[binary]}",
            "--runtime-api-address",
            runtime_api,
            bootstrap(binary),
            env=function_environment(binary, runtime_api, local.dynamodb_url) | kms.environment(),
            port=ports[binary],
        )
    assert sorted(EXPECTED) == sorted(file.name for file in (ROOT / "events").iterdir())
    for file, expected in EXPECTED.items():
        payload = (ROOT / "events" / file).read_bytes()
        url = f"http://127.0.0.1:{ports[expected['function']]}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(urllib.request.Request(url, data=payload), timeout=60) as answer:
            answer = json.load(answer)
        assert answer.get("statusCode") == expected.get("status"), f"{file}: {answer}"
        if "answer" in expected:
            assert answer == expected["answer"], file
