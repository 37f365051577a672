"""Helpers for the tests on real parts: programs that run during a test, and the functions that `sam build` built."""

import base64
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The folder for downloads. It is outside the tree and kept between runs.
CACHE = pathlib.Path(os.environ.get("AUDIT_LOG_CACHE", pathlib.Path.home() / ".cache" / "audit-log"))
# The output of `sam build`.
BUILD = pathlib.Path(os.environ.get("AUDIT_LOG_BUILD", ROOT / ".aws-sam" / "build"))
FUNCTIONS = {
    "create-event": "CreateEvent",
    "list-events": "ListEvents",
    "index-events": "IndexEvents",
    "seal-events": "SealEvents",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def bootstrap(binary):
    """The file that Lambda starts, as in a deployment of the template."""
    path = BUILD / f"{FUNCTIONS[binary]}Function" / "bootstrap"
    assert path.is_file(), f"{path} is missing; run: sam build --beta-features --parameter-overrides Architecture=x86_64"
    return path


def host_environment():
    """This machine's environment without AWS's variables, so that no test reaches a real account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


# The variable that mimalloc itself reads, as the template and testing/src/runtime_api.rs set it.
ALLOCATOR = {"MIMALLOC_PURGE_DELAY": "0"}


def function_environment(binary, runtime_api, dynamodb_url):
    """The variables that Lambda and the template set for a function."""
    return {
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": binary,
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
        "EVENTS_TABLE": "EventsTable",
        "KEYS_TABLE": "KeysTable",
        "COUNTS_TABLE": "CountsTable",
        "TREE_TABLE": "TreeTable",
        "SHARDS": "2",
        "FILTERS": "event_type,src_service",
        "POWERTOOLS_SERVICE_NAME": "audit-log",
        **ALLOCATOR,
    }


class Kms(http.server.ThreadingHTTPServer):
    """KMS with one key, on this machine."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        super().__init__(("127.0.0.1", 0), KmsRequest)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def environment(self):
        """The variables that the template sets for seal-events."""
        return {
            "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{self.server_port}",
            "LOG_ORIGIN": "localhost/log",
            "LOG_KEY": "arn:aws:kms:us-east-1:111122223333:key/1234",
        }


class KmsRequest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key, arn = self.server.key, self.server.environment()["LOG_KEY"]
        assert request["KeyId"] == arn
        match self.headers["x-amz-target"]:
            case "TrentService.GetPublicKey":
                der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                answer = {"PublicKey": base64.b64encode(der).decode(), "KeySpec": "ECC_NIST_EDWARDS25519"}
                answer |= {"KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ED25519_SHA_512"]}
            case "TrentService.Sign":
                assert (request["SigningAlgorithm"], request["MessageType"]) == ("ED25519_SHA_512", "RAW")
                signature = key.sign(base64.b64decode(request["Message"]))
                answer = {"Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": "ED25519_SHA_512"}
        body = json.dumps({"KeyId": arn, **answer}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def kms():
    kms = Kms()
    yield kms
    kms.shutdown()
    kms.server_close()


class Programs:
    """Programs that run as long as the test. Their output is shown if the test fails."""

    def __init__(self):
        self.running = []

    def start(self, *command, env=None, until=None, port=None, patience=60):
        """Starts a program and waits for a line that contains `until`, or for `port` to accept connections."""
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**host_environment(), **env} if env else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A process group of its own, so that the programs that it starts are stopped with it.
            start_new_session=True,
        )
        lines, seen = [], threading.Event()

        def read():
            for line in process.stdout:
                print(f"[{pathlib.Path(str(command[0])).name}] {line}", end="")
                lines.append(line)
                if until and until in line:
                    seen.set()

        threading.Thread(target=read, daemon=True).start()
        self.running.append(process)
        deadline = time.monotonic() + patience
        while until and not seen.wait(0.1) or port and not accepts(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}: {''.join(lines)}"
            assert time.monotonic() < deadline, f"{command[0]} is not ready after {patience} s: {''.join(lines)}"
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}: {''.join(lines)}"
        return lines

    def stop(self):
        for process in self.running:
            signal_group(process, signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                pass
            signal_group(process, signal.SIGKILL)
            process.wait()


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def run(*command, patience, cwd=ROOT, env=None, output=None):
    """Runs a program to its end and returns its exit code. Stops it and its children after `patience` seconds.

    Its output goes to the file `output`, if there is one.
    """
    command = [str(part) for part in command]
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, start_new_session=True)
    try:
        return process.wait(patience)
    finally:
        signal_group(process, signal.SIGKILL)


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.1):
            return True
    except OSError:
        return False


@pytest.fixture
def programs():
    programs = Programs()
    yield programs
    programs.stop()


class Service:
    """The addresses of the local service and its engine."""

    def __init__(self, lines):
        address = [next(word for word in line.split() if word.startswith("http://")) for line in lines[:2]]
        self.url, self.dynamodb_url = address[0].removesuffix("/events"), address[1]


def build_local():
    """Builds the local service, whose binary also has the command `rebuild`."""
    subprocess.run(["cargo", "build", "--locked", "-p", "audit-log-cli"], cwd=ROOT, check=True)
    return ROOT / "target" / "debug" / "audit-log"


@pytest.fixture
def service(programs):
    """Returns a function that starts the local service with additional options."""
    binary = build_local()

    def start(*options):
        lines = programs.start(binary, "--memory", "--port", 0, "--dynamodb-port", 0, *options, until="Ctrl-C")
        return Service(lines)

    return start


def cargo_test(suite, *options, env, patience, check=True):
    """Runs tests of `tests/`. If one fails, and unless `check` is false, the error has the names of all that failed."""
    command = ["cargo", "test", "--locked", "--test", suite]
    # The build has no time limit, because it may take longer than the tests.
    subprocess.run([*command, "--no-run"], cwd=ROOT, check=True)
    with tempfile.TemporaryFile("w+") as output:
        try:
            code = run(*command, "--", *options, env=env, patience=patience, output=output)
        finally:
            output.seek(0)
            lines = output.read().splitlines()
            print(*lines, sep="\n")
    failed = [line for line in lines if line.endswith("FAILED")]
    assert code == 0 or not check, f"the suite {suite} ended with {code}: {failed}"


def contract_tests(url, *options, credentials=None):
    """Runs the contract tests against the audit log at `url`. Requests are signed if there are credentials."""
    environment = {**host_environment(), **(credentials or {}), "AUDIT_LOG_URL": url}
    cargo_test("contract", *options, env=environment, patience=600)
