"""Checks a log against its events with code that shares nothing with the service.

It is written from the formats alone: RFC 6962's tree, the tiles of https://c2sp.org/tlog-tiles, the signed notes of
https://c2sp.org/signed-note, and this project's entry.

    python verifier.py http://127.0.0.1:5001 VKEY    # a running service
    python verifier.py file:///tmp/bundle VKEY       # a folder that was exported

It prints one line and ends with 0 if everything holds. Otherwise it prints what does not hold, and ends with 1.
"""

import base64
import hashlib
import json
import re
import sys
import urllib.parse
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# An absent value. No value is that long.
ABSENT = b"\xff\xff\xff\xff"
VERSION = b"\x01"
TILE_WIDTH = 256


class Forged(Exception):
    """The log is not what was signed."""


def sha256(data):
    return hashlib.sha256(data).digest()


def length_prefixed(text):
    if text is None:
        return ABSENT
    data = text.encode()
    return len(data).to_bytes(4, "big") + data


def entry(raw):
    """The 49 bytes that stand for an event, from its text as the API sends it."""
    head = re.match(r'\{"id":"([0-9a-f-]{36})","recorded":', raw)
    if not head:
        raise Forged(f"an event does not begin with its ID: {raw[:100]}")
    recorded, end = json.JSONDecoder().raw_decode(raw, head.end())
    if raw[end] != ",":
        raise Forged(f"the event {head[1]} has no document")
    document = "{" + raw[end + 1 :]
    values = [recorded["salt"], recorded["at"], recorded["by"], recorded["from"], document]
    commitment = sha256(b"audit-log/event/v1\n" + b"".join(map(length_prefixed, values)))
    return VERSION + bytes.fromhex(head[1].replace("-", "")) + commitment


def leaf_hash(data):
    return sha256(b"\x00" + data)


def root(leaves):
    """The root of RFC 6962's tree: the left half is the largest power of two that leaves something to the right."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:]))


def open_checkpoint(note, vkey):
    """The size and the root that the owner of the key has signed."""
    name, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    if key[:1] != b"\x01" or sha256(name.encode() + b"\n" + key)[:4].hex() != key_id:
        raise Forged(f"{vkey} is not the key of an Ed25519 signature")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, encoded_root = text.removesuffix("\n").split("\n")
    if origin != name:
        raise Forged(f"the checkpoint is of {origin}, not of {name}")
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if (dash, signer, signature[:4].hex()) == ("\u2014", name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text.encode())
            except InvalidSignature as error:
                raise Forged("the signature of the checkpoint does not verify") from error
            return int(size), base64.b64decode(encoded_root, validate=True)
    raise Forged(f"the checkpoint has no signature of {vkey}")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read(), response.headers


def bundle_path(number, width):
    """tlog-tiles writes 1234067 as x001/x234/067, and the width of a bundle that is not full."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/entries/{path}" + ("" if width == TILE_WIDTH else f".p/{width}")


def entries(log, size):
    """Every entry, in the order of the log."""
    for first in range(0, size, TILE_WIDTH):
        width = min(TILE_WIDTH, size - first)
        bundle, _ = get(f"{log}/{bundle_path(first // TILE_WIDTH, width)}")
        if len(bundle) != width * 51:
            raise Forged(f"bundle {first // TILE_WIDTH} has {len(bundle)} bytes for {width} entries")
        for at in range(0, len(bundle), 51):
            if bundle[at : at + 3] != b"\x00\x31" + VERSION:
                raise Forged(f"entry {first + at // 51} has another length or version than is known")
            yield bundle[at + 2 : at + 51]


def raw_events(url, per_page=100):
    """Every event, as it was sent: a parsed and printed event is another text."""
    url = f"{url}/events?per_page={per_page}"
    decoder = json.JSONDecoder()
    while url:
        body, headers = get(url)
        page = body.decode()
        at = len('{"events":[')
        if page[:at] != '{"events":[':
            raise Forged(f"a list of events begins with {page[:100]}")
        while page[at] != "]":
            _, end = decoder.raw_decode(page, at)
            yield page[at:end]
            at = end + (page[end] == ",")
        following = re.search(r'<([^>]*)>; rel="next"', headers.get("link", ""))
        url = following and urllib.parse.urljoin(url, following[1])


def exported_events(bundle):
    """Every event of a folder: a text sequence of RFC 7464."""
    sequence, _ = get(f"{bundle}/events.json-seq")
    before, *texts = sequence.decode().split("\x1e")
    if before or not all(text.endswith("\n") for text in texts):
        raise Forged("events.json-seq is no text sequence")
    return [text.removesuffix("\n") for text in texts]


def findings(url, vkey):
    """The size of the log, and everything that does not hold."""
    exported = url.startswith("file:")
    log = url if exported else f"{url}/log"
    note, _ = get(f"{log}/checkpoint")
    size, signed_root = open_checkpoint(note.decode(), vkey)
    logged = list(entries(log, size))
    found = []
    if root([leaf_hash(data) for data in logged]) != signed_root:
        found.append("the entries are not those that were signed")
    if len(set(logged)) != len(logged):
        found.append("an entry is in the log twice")
    recorded = [entry(raw) for raw in (exported_events(url) if exported else raw_events(url))]
    if len(set(recorded)) != len(recorded):
        found.append("an event is in the list twice")
    found += [f"the log has no entry of the event {data[1:17].hex()}" for data in set(recorded) - set(logged)]
    found += [f"no event has the entry of {data[1:17].hex()}" for data in set(logged) - set(recorded)]
    return size, found


if __name__ == "__main__":
    try:
        size, found = findings(*sys.argv[1:])
    except (Forged, ValueError) as error:
        # A ValueError is text that is no number, no base64 or no JSON.
        sys.exit(f"forged: {error}")
    if found:
        sys.exit("\n".join(found))
    print(f"{size} entries, each of one event, under a signed root")
