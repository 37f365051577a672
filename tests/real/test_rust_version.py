"""`rust-version` in Cargo.toml is the version that the locked packages need."""

import json
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def version(text):
    return tuple(int(part) for part in text.split("."))


def test_rust_version_is_what_the_lock_file_needs():
    printed = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    packages = json.loads(printed)["packages"]
    # A package without a source is part of this repository.
    needed = [version(package["rust_version"]) for package in packages if package["source"] and package["rust_version"]]
    declared = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert version(declared) == max(needed)
