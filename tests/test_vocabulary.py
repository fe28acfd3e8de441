"""The text of the package uses the standard terms of the field, not words of its own.

Each idiom below was once in docstrings, comments, messages or pages, and readers could
not look it up. The list keeps it out; the value is the standard term.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IDIOMS = {
    r"the ways? back|going back": "backward pass",
    r"bends?|bent|unbends?|unbend": "activation, activation_backward",
    r"at hand": "available, available locally",
    r"never (seen|read|learnt|heard|trained on)|unseen|blind to": "held-out",
    r"exists and stays": "already exists",
    r"hesitat\w+": "perplexity",
    r"foretell?s?|foretold": "predict",
    r"taps?|by taps": "kernel position, kernel offset",
    r"placewise": "pointwise convolution",
    r"by ones": "ones^T @ dy",
    r"told": "reported, printed; or name the message",
    r"shall": "should, is trained to",
    r"mend(s|ed|ing)?": "fix, repair",
    r"relit": "brightness and contrast jitter",
    r"the shadow of another": "mixup",
    r"one look|looks instead": "test-time augmentation, augmented views",
    r"in the manner of|manners": "style",
    r"strangers": "other people; held-out identities",
    r"the last bit decides": "chaotic divergence; one ulp",
    r"nats an? \w+": "cross-entropy per … (nats)",
    r"(is|are) thought over|words look at": "self-attention, feed-forward network",
    r"what (is|was) (written|read)": "decoder input, encoder output",
    r"company of words": "co-occurrence counts",
    r"twins?": "near-duplicates",
    r"stretched": "resized without keeping the aspect ratio",
    r"framed|in a frame": "zero-padded",
    r"the filling|filled up with": "padding",
    r"drawn": "synthetic; sampled; plotted",
    r"to learn from|learnt from": "training set; trained on",
    r"late, (so|since)|imported late": "lazy import",
    r"hangs? on": "depends on",
    r"where things lie": "file locations",
    r"(some|no)body watches": "on a terminal",
    r"contenders?|peers?|theirs": "baseline",
    r"comes? out again": "reproducible",
    r"one (row|line|file|name|test|bar|array|number) an? \w+": "one … per …",
    r"what it makes of": "its output for",
    r"hand(s|ed)? out|hand-outs?": "provided by the course",
}
PATTERN = re.compile(
    "|".join(rf"(?P<i{i}>\b(?:{idiom})\b)" for i, idiom in enumerate(IDIOMS)),
    re.IGNORECASE,
)
# Data sets that are themselves English sentences: only their docstrings and comments.
SENTENCES = {"sentence_corpus", "resume_templates", "toy_corpus", "emoji", "stories"}
SENTENCES |= {"sonnets"}

SOURCES = [
    path
    for folder in ("dls_keras", "assignments", "benchmarks", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks/RESULTS.md",
    ROOT / "weights/README.md",
    ROOT / "weights/records.toml",
]


def texts(path):
    """The docstrings, messages and comments of a source, with their lines."""
    source = path.read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    tree = ast.parse(source)
    docstrings = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_text = " " in node.value and path.stem not in SENTENCES
            if node.value in docstrings or is_text:
                yield node.lineno, node.value


def idioms(text):
    """Each idiom in a text, with its place and the standard term."""
    terms = list(IDIOMS.values())
    for match in PATTERN.finditer(text):
        yield match.start(), match[0], terms[int(match.lastgroup[1:])]


def offences(path):
    """Lines such as "path:12: 'at hand' -> available"."""
    if path.suffix == ".py":
        parts = texts(path)
    else:
        parts = [(1, path.read_text("utf-8"))]
    return [
        f"{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, place)}: "
        f"{words!r} -> {term}"
        for line, text in parts
        for place, words, term in idioms(text)
    ]


@pytest.mark.parametrize(
    "path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_private_idiom_is_in_the_text(path):
    """In docstrings, comments, messages and pages."""
    found = offences(path)
    assert not found, "\n".join(["Use the standard term:", *found])


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("the data at hand", "available, available locally"),
        ("2,000 drawn hands", "synthetic; sampled; plotted"),
        ("Numbers that are TOLD", "reported, printed; or name the message"),
    ],
)
def test_idioms_are_found(text, term):
    """Inside a sentence, in any case."""
    assert [found for *_, found in idioms(text)] == [term]


def test_other_words_are_no_idioms():
    """Part of a longer word, or of a name."""
    assert not [*idioms("threshold, tolder, redrawn_from, marshall")]
