"""What users and developers read is in plain English, with the words of the glossary."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    {
        *ROOT.glob("*.md"),
        ROOT / "config.example.toml",
        ROOT / "Makefile",
        *ROOT.glob("docs/*.md"),
        ROOT / "docs/alerts.yml",
        *(path for path in ROOT.glob("systemd/**/*") if path.is_file()),
    }
)
PREFERRED = {  # what we no longer write, as a regular expression over running text: what we write instead
    r"anew": "again, re-…",
    r"whoever|whatsoever": "anyone who",
    r"seldom": "rarely, less and less often, with backoff",
    r"to be had|cannot be had": "is not available, cannot listen on",
    r"what there is to": "name the thing",
    r"as far as each": "as long as each",
    r"(is|are|was|were|be) said|said (once|to be)": "is logged, is reported",
    r"(is|are|was|were|be) told": "is notified, is informed",
    r"(tells|told) (you|every|all|of|the|what)|(is|are|and|or) said to": "reports, notifies, logs",
    r"(takes?|taken) up": "applies, registers, watches",
    r"(brings?|brought|comes?) home": "downloads, is downloaded",
    r"of (its|their|his|her) own": "separate",
    r"(who|what) is (stopped|added|missing|wanted)": "name the subject",
    r"(is|are) wanted|wants? (it|them|none)": "is queued, is requested, requires",
    r"(goes|go|going) on": "continues, resumes",
    r"looked (at|after)|looks? after|looking after": "polls, maintains",
    r"in trouble": "has a problem, is failing",
    r"in miniature": "simulated",
    r"in vain": "without a result",
    r"mend(s|ed|ing)?": "corrects, repairs",
    r"what moved|recorded moves?|moved last": "recent changes, status changes",
    r"asked (again|at)|nobody is asked": "requested, retried",
    r"house|crew|furnish\w*|bells?|tellers?": "resources, workers, build, wakeup, dispatcher",
    r"eyes only|who asks|who wants": "name the subject",
}
OLD = (  # sentences of the past, each of which is found
    "One behind file: is taken up by itself.",
    "A watch that fits nothing is said once in the log.",
    "A failed channel is tried ever more seldom, and the others are told.",
    "The list is read anew.",
    "A port that cannot be had refuses the reload.",
    "Whoever can reach the address may read it.",
    "What is added is fetched at the next look, and what moved lately is looked at again.",
    "Each watch has a tree of its own.",
    "The provider in miniature.",
)
PAGES = [path for path in DOCUMENTS if path.suffix == ".md"]
HEADING = re.compile(r"^#+ .*(?:\?|something happened|Being |Looking at|Watching it).*$", re.MULTILINE)
IN_THE_PACKAGE = [  # how often a word may stand in daemon/, identifiers included
    ("anew", 3, "again, re-…"),
    ("whoever", 3, "anyone who"),
    ("seldom", 3, "rarely, less and less often, with backoff"),
    ("told", 15, "notified, reported, received"),
    ("said", 15, "logged, reported, stated"),
]


def prose(path: Path) -> str:
    """Return the text without code: blocks, code type, addresses, and the first column of tables."""
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":
        text = text.split("\n## ")[1]
    if path.suffix == ".md":
        text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"`[^`\n]*`", "`…`", text)
        return re.sub(r"\]\([^)]*\)", "]", text)
    return text


def found(text: str) -> Iterator[tuple[str, str]]:
    """Yield each phrase that stands in the text with the preferred one, across line breaks too."""
    running = " ".join(text.split())
    for phrase, preferred in PREFERRED.items():
        for match in re.finditer(rf"(?<![\w-])(?:{phrase})(?![\w-])", running, re.IGNORECASE):
            yield running[max(match.start() - 30, 0) : match.end() + 20], preferred


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_uses_plain_phrases(path: Path) -> None:
    problems = [f"{where!r}: prefer {preferred!r}" for where, preferred in found(prose(path))]
    assert problems == [], "\n".join(problems)


@pytest.mark.parametrize("sentence", OLD)
def test_the_sentences_of_the_past_are_found(sentence: str) -> None:
    assert list(found(sentence))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_headings_are_nouns_or_imperatives(path: Path) -> None:
    assert HEADING.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("word", "most", "preferred"), IN_THE_PACKAGE)
def test_the_package_rarely_uses_words_of_the_past(word: str, most: int, preferred: str) -> None:
    pattern = re.compile(rf"(?<![a-z])(?:un)?{word}(?![a-z])", re.IGNORECASE)
    counted = Counter(
        {
            str(path.relative_to(ROOT)): len(pattern.findall(path.read_text(encoding="utf-8")))
            for path in sorted((ROOT / "daemon/orderwatch").rglob("*"))
            if path.suffix in {".py", ".html", ".js", ".css"} and "leaflet" not in path.parts
        }
    )
    assert counted.total() <= most, f"prefer {preferred!r}: {counted.most_common(10)}"
