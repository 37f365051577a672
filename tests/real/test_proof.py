"""The log proves itself to tools that this project did not write, and to a verifier that shares no code with it.

- `fsck` of Tessera reads all of a log, by URL and from an exported folder
- sumdb/tlog and sumdb/note are Go's checksum database (tests/real/go)
- torchwood checks proofs and cosignatures (tests/real/go)
- `litewitness` of torchwood is a witness, which `audit-log witness` feeds
- verifier.py compares the log with the events
"""

import base64
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import types
import urllib.error
import urllib.request

import pytest

import verifier
from conftest import CACHE, ROOT, Programs, Service, build_local, free_port

# A tile and a bundle have 256 entries.
SIZES = (1, 255, 256, 257, 600)
MAX_BATCH = 100
# The seconds that sealing, or one run of a tool, may take.
PATIENCE = 60
WITNESS = "witness.example"
# The bytes of an entry in a bundle, with its length.
ENTRY = 51


def go(*command):
    """Runs Go, with its caches outside the tree."""
    assert shutil.which("go"), "tests/real/go needs Go 1.21 or later, which fetches the version that go.mod names"
    caches = {"GOCACHE": str(CACHE / "go-build"), "GOMODCACHE": str(CACHE / "go-modules")}
    # Without -modcacherw, the folder of modules could not be deleted by its owner.
    flags = {"GOFLAGS": "-buildvcs=false -modcacherw -trimpath"}
    folder = ROOT / "tests" / "real" / "go"
    subprocess.run(["go", *command], cwd=folder, env={**os.environ, **caches, **flags}, check=True)


@pytest.fixture(scope="module")
def tools():
    """The folder with the programs of tests/real/go."""
    folder = CACHE / "go"
    go("build", "-o", f"{folder}/", ".", "tool")
    return folder


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="audit-log-") as folder:
        yield pathlib.Path(folder)


def until(holds, what):
    """Waits until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE} s it does not hold that {what}"
        time.sleep(0.1)


def finished(*command):
    """A program that has ended, with what it printed."""
    command = [str(part) for part in command]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    # pytest shows it if the test fails.
    print(*command, process.stdout, process.stderr, sep="\n")
    return process


def printed(*command):
    """What a program printed that must succeed."""
    process = finished(*command)
    assert process.returncode == 0, process.stderr
    return process.stdout


class Log:
    """A local service with a log of its own."""

    def __init__(self, programs, folder):
        self.binary, self.data, self.count = build_local(), folder / "data", 0
        options = ["--data", self.data, "--port", 0, "--dynamodb-port", 0]
        self.url = Service(programs.start(self.binary, *options, until="Ctrl-C")).url
        self.log = f"{self.url}/log"
        self.vkey = printed(self.binary, "vkey", "--data", self.data).strip()
        assert self.vkey.startswith("localhost/log+")

    def get(self, path):
        body, _ = verifier.get(self.url + path)
        return body.decode()

    def size(self):
        try:
            return int(self.get("/log/checkpoint").split("\n")[1])
        except urllib.error.HTTPError as error:
            # Before the first event there is no checkpoint.
            assert error.code == 404, error.read()
            return 0

    def grow(self, size):
        """Records events up to this number, and waits until they are sealed. Returns the leaf hash of each new one."""
        leaves = {}
        while self.count < size:
            events = [event(number) for number in range(self.count, min(size, self.count + MAX_BATCH))]
            body = f"[{', '.join(events)}]".encode()
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(f"{self.url}/events", body, headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                results = json.load(answer)["results"]
            assert [result["status"] for result in results] == [201] * len(events), results
            leaves |= {result["id"]: base64.b64decode(result["leaf"]) for result in results}
            self.count += len(events)
        until(lambda: self.size() == size, f"{size} events are sealed")
        return leaves

    def export(self, folder):
        printed(self.binary, "export", "--log", self.url, "--vkey", self.vkey, "--bundle", folder)
        return folder


def event(number):
    """The text of an event that changes if it is parsed and printed: spaces, a line feed, numbers, escapes."""
    return (
        f'{{"user_id": "{number % 7}",\n "event_type": "exported", "timestamp": "2024-03-01T12:00:00.25+01:00", '
        f'"src_service":"billing", "invariant_data": {{"amount": {number}.00, "big": 1E2, "name": "J\\u00f6rg/\\/"}}, '
        f'"app_data": null, "city": "Zürich"}}'
    )


def accepted_by_fsck(tools, log, vkey, folder):
    key = folder / "key"
    key.write_text(vkey)
    # With one worker it hangs on a log that does not hold, and its exit code is 0. It panics if a bundle is too short.
    program = finished(tools / "fsck", "--ui=false", "-N", "2", "--storage_url", f"{log}/", "--public_key", key)
    accepted = "Successfully fsck'd" in program.stderr
    refused = "fsck failed" in program.stderr or "index out of range" in program.stderr
    assert accepted != refused, program.stderr
    return accepted


def accepted_by_sumdb(tools, log, vkey, *earlier):
    program = finished(tools / "independent", "checkpoint", log, vkey, *earlier)
    assert (program.returncode == 0) == ("sumdb accepts" in program.stdout), program.stderr
    assert program.returncode in (0, 1), program.stderr
    return program.returncode == 0


def accepted_by_python(url, vkey):
    program = finished(sys.executable, verifier.__file__, url, vkey)
    assert "Traceback" not in program.stderr, program.stderr
    return program.returncode == 0


def accepted_by_torchwood(tools, vkey, proofs):
    program = finished(tools / "independent", "proof", vkey, *proofs)
    assert program.returncode == 0 or "torchwood" not in program.stdout
    return program.returncode == 0


def identifier(entry):
    text = entry[1:17].hex()
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


def proof(log, entry, folder):
    """An entry as text, and the file with the proof of its event."""
    file = folder / f"{identifier(entry)}.tlog-proof"
    file.write_text(log.get(f"/events/{identifier(entry)}/proof"))
    return [base64.b64encode(entry).decode(), file]


def test_the_python_verifier_computes_the_documented_entry():
    raw = (
        '{"id":"018cc251-f400-7000-803e-38b8163c9160","recorded":{"at":"2026-11-23T17:59:05.908Z","by":null,'
        '"from":"127.0.0.1","salt":"AAECAwQFBgcICQoLDA0ODw"},"user_id": "1",\n'
        ' "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z", "src_service": "user_service", '
        '"invariant_data": {"priority": 2}, "app_data": null}'
    )
    entry = verifier.entry(raw)
    commitment = "6b9d4ef5429505dc8c743171f0019a1bee9f54e4cd6efe33bc0191f9db0c7e33"
    assert entry.hex() == "01" + "018cc251f4007000803e38b8163c9160" + commitment
    assert base64.b64encode(verifier.leaf_hash(entry)) == b"MQBXomgmrqVMBI4swWeGLquDhqKhO7lKwNbLe6kbh0Q="


def test_the_python_verifier_computes_the_roots_of_rfc_6962():
    # The leaves and roots with which Certificate Transparency's own implementations are tested.
    texts = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [verifier.leaf_hash(bytes.fromhex(text)) for text in texts]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    assert {size: verifier.root(leaves[:size]).hex() for size in roots} == roots


def test_the_log_is_accepted_at_every_size(tools, folder, programs):
    log, earlier, leaves = Log(programs, folder / "sizes"), [], {}
    for size in SIZES:
        leaves |= log.grow(size)
        parts = folder / f"size-{size}"
        parts.mkdir()
        assert accepted_by_fsck(tools, log.log, log.vkey, parts)
        assert accepted_by_sumdb(tools, log.log, log.vkey, *earlier)
        assert accepted_by_python(log.url, log.vkey)

        bundle = log.export(parts / "bundle").as_uri()
        assert accepted_by_fsck(tools, bundle, log.vkey, parts)
        assert accepted_by_sumdb(tools, bundle, log.vkey, *earlier)
        assert accepted_by_python(bundle, log.vkey)

        entries = list(verifier.entries(log.log, size))
        # The answer to a POST states the leaf hash already.
        assert {identifier(entry): verifier.leaf_hash(entry) for entry in entries} == leaves
        chosen = {0, 1, 254, 255, 256, 257, 511, 512, size // 2, size - 2, size - 1} & set(range(size))
        proofs = [proof(log, entries[index], parts) for index in sorted(chosen)]
        assert accepted_by_torchwood(tools, log.vkey, sum(proofs, []))

        earlier = [parts / "checkpoint"]
        earlier[0].write_text(log.get("/log/checkpoint"))
    # A log that has become smaller is refused by the owner of a later checkpoint.
    smaller = (folder / "size-257" / "bundle").as_uri()
    assert not accepted_by_sumdb(tools, smaller, log.vkey, *earlier)

    # The text of an event is the same in a list and by itself.
    for raw in list(verifier.raw_events(log.url))[::97]:
        assert log.get(f"/events/{json.loads(raw)['id']}") == raw


@pytest.fixture(scope="module")
def exported(folder):
    """A log of 300 entries: a folder, its key, the proofs of two entries, and another log's key."""
    programs = Programs()
    try:
        log, other = Log(programs, folder / "exported"), Log(programs, folder / "other")
        log.grow(300)
        entries = list(verifier.entries(log.log, 300))
        proofs = [proof(log, entries[index], folder) for index in (7, 299)]
        yield types.SimpleNamespace(
            folder=log.export(folder / "bundle"),
            vkey=log.vkey,
            other=other.vkey,
            proofs=proofs,
        )
    finally:
        programs.stop()


def flipped(at):
    """A change of one bit."""

    def change(data):
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


def retyped(at):
    """Another character of base64."""

    def change(data):
        character = b"B" if data[at:][:1] == b"A" else b"A"
        return data[:at] + character + data[at:][1:]

    return change


def swapped(data):
    """Two entries in each other's place."""
    return data[ENTRY : 2 * ENTRY] + data[:ENTRY] + data[2 * ENTRY :]


def replaced(old, new):
    def change(data):
        assert old in data
        return data.replace(old, new, 1)

    return change


def without_an_event(data):
    first, second, rest = data.split(b"\x1e", 2)
    assert first == b""
    return b"\x1e" + rest


def with_an_event_twice(data):
    return data + b"\x1e" + data.split(b"\x1e", 2)[1]


ALL = {"fsck", "sumdb", "python"}
TILES = {"fsck", "sumdb"}
EVENTS = {"python"}
# A file of the folder, how it is changed, and who refuses it. The others do not read it.
CHANGES = {
    "a hash of a full tile": ("tile/0/000", flipped(32 * 100), TILES),
    "a hash of a partial tile": ("tile/0/001.p/44", flipped(32 * 43 + 31), TILES),
    "a hash of an upper tile": ("tile/1/000.p/1", flipped(0), TILES),
    "an ID in a full bundle": ("tile/entries/000", flipped(ENTRY * 200 + 4), ALL),
    "a commitment in a partial bundle": ("tile/entries/001.p/44", flipped(ENTRY * 43 + 50), ALL),
    "the order of two entries": ("tile/entries/000", swapped, ALL),
    "the version of an entry": ("tile/entries/000", flipped(2), ALL),
    "the length of an entry": ("tile/entries/000", flipped(1), ALL),
    "a missing entry": ("tile/entries/001.p/44", lambda data: data[:-ENTRY], ALL),
    "the size that was signed": ("checkpoint", replaced(b"\n300\n", b"\n299\n"), ALL),
    "the origin that was signed": ("checkpoint", replaced(b"localhost/log\n", b"localhost/lag\n"), ALL),
    "the root that was signed": ("checkpoint", retyped(len("localhost/log\n300\n")), ALL),
    "a signature": ("checkpoint", retyped(-20), ALL),
    "a signature that is not base64": ("checkpoint", lambda data: data[:-20] + b"!" + data[-19:], ALL),
    "no signature": ("checkpoint", lambda data: data[: data.index(b"\n\n") + 2], ALL),
    "a document": ("events.json-seq", replaced(b'"user_id": "', b'"user_id": "9'), EVENTS),
    "a space in a document": ("events.json-seq", replaced(b'"user_id": ', b'"user_id":'), EVENTS),
    "the time of recording": ("events.json-seq", replaced(b'"at":"2', b'"at":"1'), EVENTS),
    "the caller": ("events.json-seq", replaced(b'"by":null', b'"by":"me"'), EVENTS),
    "the address": ("events.json-seq", replaced(b'"from":"127.0.0.1"', b'"from":"127.0.0.2"'), EVENTS),
    "a missing event": ("events.json-seq", without_an_event, EVENTS),
    "an event twice": ("events.json-seq", with_an_event_twice, EVENTS),
}


def refused_by(tools, folder, vkey, parts):
    """The tools that refuse a folder."""
    url = folder.as_uri()
    accepted = {
        "fsck": accepted_by_fsck(tools, url, vkey, parts),
        "sumdb": accepted_by_sumdb(tools, url, vkey),
        "python": accepted_by_python(url, vkey),
    }
    return {name for name, accepts in accepted.items() if not accepts}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_folder_is_refused(tools, exported, tmp_path, name):
    changed = shutil.copytree(exported.folder, tmp_path / "changed")
    path, change, refused = CHANGES[name]
    before = (changed / path).read_bytes()
    after = change(before)
    assert after != before
    (changed / path).write_bytes(after)
    assert refused_by(tools, changed, exported.vkey, tmp_path) == refused


def test_the_folder_is_refused_under_another_key(tools, exported, tmp_path):
    assert refused_by(tools, exported.folder, exported.vkey, tmp_path) == set()
    assert refused_by(tools, exported.folder, exported.other, tmp_path) == ALL


def next_index(lines):
    assert lines[2].startswith("index ")
    return [*lines[:2], f"index {int(lines[2].split()[1]) + 1}", *lines[3:]]


def changed_hash(lines):
    digest = bytearray(base64.b64decode(lines[3]))
    digest[0] ^= 1
    return [*lines[:3], base64.b64encode(digest).decode(), *lines[4:]]


def changed_signature(lines):
    signature = bytearray(base64.b64decode(lines[-1].split()[-1]))
    signature[20] ^= 1
    return [*lines[:-1], f"{lines[-1].rsplit(' ', 1)[0]} {base64.b64encode(signature).decode()}"]


@pytest.mark.parametrize("change", [next_index, changed_hash, changed_signature])
def test_a_changed_proof_is_refused(tools, exported, tmp_path, change):
    entry, file = exported.proofs[0]
    lines = file.read_text().removesuffix("\n").split("\n")
    changed = tmp_path / "changed"
    changed.write_text("\n".join(change(lines)) + "\n")
    assert not accepted_by_torchwood(tools, exported.vkey, [entry, changed])


def test_a_proof_is_refused_for_another_event_or_key(tools, exported):
    (first, file), (second, _) = exported.proofs
    assert accepted_by_torchwood(tools, exported.vkey, [first, file])
    assert not accepted_by_torchwood(tools, exported.vkey, [second, file])
    assert not accepted_by_torchwood(tools, exported.other, [first, file])


class Witness:
    """litewitness, which knows one log."""

    def __init__(self, tools, programs, folder, log):
        socket, key, self.database = folder / "agent", folder / "witness", folder / "witness.db"
        for program in "ssh-agent", "ssh-add", "ssh-keygen":
            assert shutil.which(program), f"litewitness needs {program} of OpenSSH's client"
        programs.start("ssh-agent", "-D", "-a", socket)
        until(socket.is_socket, "ssh-agent listens")
        printed("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", key], env=environment, check=True, timeout=PATIENCE)
        fingerprint = printed("ssh-keygen", "-l", "-f", key).split()[1]

        port = free_port()
        options = ["-name", WITNESS, "-ssh-agent", socket, "-key", fingerprint, "-db", self.database]
        command = [tools / "litewitness", *options, "-listen", f"127.0.0.1:{port}"]
        lines = programs.start(*command, until="verifier key", port=port)
        line = next(line for line in lines if "verifier key" in line)
        self.vkey = line.split("vkey=")[1].strip().strip('"')
        self.url = f"http://127.0.0.1:{port}"

        # Its own command for this needs a module that the module proxy does not have.
        empty = base64.b64encode(verifier.root([])).decode()
        self.execute("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", "localhost/log", empty)
        self.execute("INSERT INTO key (origin, key) VALUES (?, ?)", "localhost/log", log.vkey)

    def execute(self, statement, *values):
        database = sqlite3.connect(self.database, timeout=PATIENCE)
        rows = database.execute(statement, values).fetchall()
        database.commit()
        database.close()
        return rows

    def size(self):
        ((size,),) = self.execute("SELECT tree_size FROM log")
        return size


def test_a_witness_cosigns_the_log_and_refuses_a_fork(tools, tmp_path, programs, folder):
    log = Log(programs, folder / "witnessed")
    witness = Witness(tools, programs, folder, log)
    feed = [log.binary, "witness", "--log", log.url, "--witness", witness.url, "--vkey", log.vkey]
    # First without a proof. Then with one, for which the witness names its size. Then once more the same.
    for size in 257, 600, 600:
        log.grow(size)
        cosigned = tmp_path / "cosigned"
        cosigned.write_text(printed(*feed))
        assert witness.size() == size
        printed(tools / "independent", "cosigned", log.vkey, witness.vkey, cosigned)

    # The witness has seen another tree of this size. It cosigns neither that size nor what follows from it.
    other = base64.b64encode(verifier.leaf_hash(b"another tree")).decode()
    witness.execute("UPDATE log SET tree_hash = ?", other)
    assert finished(*feed).returncode != 0
    log.grow(601)
    assert finished(*feed).returncode != 0
    assert witness.size() == 600
