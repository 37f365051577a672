"""The page in a real browser: Debian's Chromium, driven by playwright-core (tests/real/viewer).

    pytest tests/real/test_viewer.py -k histogram
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import CACHE, ROOT, Programs, Service, build_local, host_environment

TESTS = ROOT / "tests" / "real" / "viewer"
MODULES = CACHE / "viewer"
# The seconds that the tests of a file may take.
PATIENCE = 300


@pytest.fixture(scope="module")
def modules():
    """The folder with the packages of package-lock.json, outside the tree."""
    assert shutil.which("npm"), "tests/real/viewer needs Node.js 20 or later, with npm"
    MODULES.mkdir(parents=True, exist_ok=True)
    for name in "package.json", "package-lock.json":
        shutil.copy(TESTS / name, MODULES / name)
    # Playwright would otherwise fetch a browser of its own.
    environment = {**os.environ, "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=MODULES, env=environment, check=True)
    return MODULES


@pytest.fixture(scope="module")
def log():
    """A local service and `audit-log view` for it, as the variables that the tests read."""
    programs = Programs()
    try:
        with tempfile.TemporaryDirectory(prefix="audit-log-") as folder:
            binary = build_local()
            options = ["--data", folder, "--port", 0, "--dynamodb-port", 0]
            service = Service(programs.start(binary, *options, until="Ctrl-C"))
            vkey = subprocess.check_output([binary, "vkey", "--data", folder], text=True).strip()
            command = [binary, "view", "--log", service.url, "--vkey", vkey]
            lines = programs.start(*command, until="Ctrl-C")
            view = next(word for word in lines[0].split() if word.startswith("http://127.0.0.1") and word.endswith("/"))
            yield {"LOG": service.url, "ENGINE": service.dynamodb_url, "VIEW": view}
    finally:
        programs.stop()


@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.test.mjs")))
def test_the_page(modules, log, name):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "tests/real/viewer needs Debian's package chromium, or CHROMIUM as the path of another one"
    environment = {**host_environment(), **log, "MODULES": str(modules), "CHROMIUM": chromium}
    command = ["node", "--test", "--test-reporter=spec", str(TESTS / name)]
    subprocess.run(command, env=environment, timeout=PATIENCE, check=True)


def test_the_folder_has_only_what_the_browser_loads():
    suffixes = {path.suffix for path in pathlib.Path(ROOT / "viewer").iterdir()}
    assert suffixes == {".html", ".css", ".js", ".svg"}
