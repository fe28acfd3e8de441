"""Which functions a file defines, and which assignment it looks like.

A file is not run here, nor parsed: names are found where a line begins with `def`,
`class`, `import` or `from`.
"""

import functools
import re
from collections.abc import Set
from pathlib import Path

from dls_keras import catalog
from dls_keras.grading import course_editions, course_helpers, parse

IMPORTS = re.compile(r"^(?:from +(\w+)|import +([\w, ]+))", re.MULTILINE)
LEAST = 0.3  # of the functions of an assignment a file that looks like it has more


def read(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The functions and classes that a file defines, and the modules it imports.

    Raises:
        InputError: if it cannot be read.
    """
    names, imports = set(), set()
    for _, text in parse.sources(path):
        names.update(parse.DEFINES.findall(text))
        for source, listed in IMPORTS.findall(text):
            imports.update(re.findall(r"\w+", source or listed))
    return frozenset(names), frozenset(imports)


def words(name: str) -> frozenset[str]:
    """The words in the title of an assignment, and in the names of all."""
    names = " ".join(catalog.BY_NAME).replace("_", " ")
    text = f"{names} {catalog.BY_NAME[name].title}".lower()
    return frozenset(re.findall("[a-z]{3,}", text)) - {"and", "the", "with", "for"}


@functools.cache
def to_write(name: str) -> frozenset[str]:
    """The functions of an assignment that a learner writes, with older names."""
    from dls_keras.grading import comparison

    found = {f for ref in comparison.references(name) for f in ref.functions}
    found -= course_helpers.helpers(name).keys()
    older = course_editions.OLD_NAMES
    return frozenset(found.union(*(older.get((name, one), ()) for one in found)))


def looks_like(names: Set[str], name: str) -> str:
    """The assignment that a file with these functions is, if it is not `name`, or "".

    Args:
        names: the functions that the file defines.
        name: the assignment that it should be.
    """

    def fit(other):
        own = to_write(other)
        return len(names & own), len(names & own) / max(1, len(own))

    others = [row.name for row in catalog.ASSIGNMENTS if row.reference]
    best = max(others, key=fit)
    count, share = fit(best)
    here, share_here = fit(name)
    if best == name or count <= here or share < max(LEAST, share_here):
        return ""
    return best if count > 1 or len(to_write(best)) == 1 else ""
