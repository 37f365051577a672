"""Documents and comments use plain English. See "Write plain English" in CONTRIBUTING.md.

`typos` checks the spelling and single words (_typos.toml). These tests check the rest.
"""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split()
DOCUMENTS = [name for name in TRACKED if name.endswith(".md")]
CODE = [name for name in TRACKED if name.endswith(".rs")]

# Phrases that this project avoids, and what to write instead.
PHRASES = {
    r"by chance": "randomly",
    r"nobody": "no caller, no one; better a sentence about who does",
    r"beside\b": "next to, alongside",
    r"is to be\b": "must be, will be",
    r"are to be\b": "must be, will be",
    r"puts? right": "corrects",
    r"stands? still": "is stalled",
    r"the way to the": "the path to the",
    r"live edge": "live window",
    r"any credentials do\b": "any credentials work",
}
MAX_SEMICOLONS = 4 / 1000
MAX_TEST_NAME = 60


def prose(name: str) -> str:
    """A document without its code, tables and links."""
    text = (ROOT / name).read_text()
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return "\n".join(line for line in text.split("\n") if not line.startswith(("|", "    ")))


def comments(name: str) -> str:
    lines = (ROOT / name).read_text().split("\n")
    return "\n".join(line for line in lines if line.lstrip().startswith("//"))


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_document_or_comment_uses(phrase):
    texts = {name: (ROOT / name).read_text() for name in DOCUMENTS}
    texts |= {name: comments(name) for name in CODE}
    pattern = re.compile(rf"\b{phrase}", re.IGNORECASE)
    found = [
        f"{name}: {line.strip()}"
        for name, text in texts.items()
        for line in text.split("\n")
        if pattern.search(line)
    ]
    assert found == [], f"write: {PHRASES[phrase]}"


def test_documents_have_few_semicolons():
    text = "\n".join(map(prose, DOCUMENTS))
    words = len(re.findall(r"\w+", text))
    assert text.count(";") <= MAX_SEMICOLONS * words


def test_the_readme_is_a_landing_page():
    lines = (ROOT / "README.md").read_text().split("\n")
    first_response = next(number for number, line in enumerate(lines, 1) if '"events"' in line)
    assert len(lines) <= 151
    assert first_response <= 60


def test_test_names_are_short():
    names = [
        (name, function)
        for name in CODE
        for function in re.findall(
            r"#\[(?:tokio::)?test[^\]]*\][^{;]*?fn (\w+)", (ROOT / name).read_text()
        )
    ]
    assert [function for _, function in names if len(function) > MAX_TEST_NAME] == []
