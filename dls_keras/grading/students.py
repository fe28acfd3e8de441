"""Find the submission of each student in a folder or zip archive of a class.

    ann/mine.ipynb                                    a folder per student (Coursera)
    Ann Lee_12345_assignsubmission_file_/mine.ipynb   Moodle
    planar-ann/mine.ipynb                             GitHub Classroom
    leeann_late_123_456_mine.ipynb                    Canvas
    hw_ann_attempt_2026-11-30-20-15-00_mine.ipynb     Blackboard
    ann.ipynb                                         a file per student

Of several notebooks of a student the newest is checked: by the number in its name if
their names differ only in that, otherwise by its time. Modules beside a notebook are
helpers; so are those that define no function of the assignment. A student whose files
cannot be read has a submission with an error.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.grading import class_files, definitions
from dls_keras.grading.class_files import Entry

MOST_MODULES = 200  # beside a notebook
MOST_LISTED = 5  # files in a note

# Names of exported files and folders; `file` is the name that the student gave.
EXPORTS = (
    re.compile(r"(?P<student>.+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)"),
    re.compile(
        r".+_(?P<student>[^_]+)_attempt_(?P<time>\d{4}(?:-\d\d){5})[_.](?P<file>.*)"
    ),
    re.compile(
        r"(?P<student>[^_]+)_(?P<late>late_)?(?P<id>\d+)_\d+_(?P<file>.+)",
        re.IGNORECASE,
    ),
)
# The number of an attempt in the name of a file, such as "mine (2)" and "mine_v2".
NUMBER = re.compile(
    r"[-_ .(]*(?:attempt|version|copy|rev|try|v)?[-_ .(]*(\d+)\)?", re.IGNORECASE
)
# Words by which the prefix of GitHub Classroom is recognised, such as that of hw1-ann.
PREFIX_WORDS = {
    *("assignment", "lab", "week", "hw", "homework", "exercise", "project", "course"),
    *("submission", "notebook", "programming", "deep", "learning", "dls"),
}
WRAPPERS = re.compile("submission|class|export|solution|download", re.IGNORECASE)


class Submission(NamedTuple):
    """What one student submitted; it can be pickled.

    Attributes:
        student: the name of the student, as the export states it.
        id: the number that the export gives the student, or "".
        root: the absolute path of the folder or the archive of the class.
        file: the place of the file to check, as `class_files.Entry` has it; () if
            there is none.
        path: the path of the file to show.
        beside: the places of modules that the file may import, each with its name.
        late: whether the export marks it as late.
        time: when it was submitted, in ISO 8601, if the export states it, or "".
        notes: what the teacher should know, such as which notebook is checked.
        error: why there is nothing to check, or "".
    """

    student: str
    id: str = ""
    root: str = ""
    file: tuple[str, ...] = ()
    path: str = ""
    beside: tuple[tuple[tuple[str, ...], str], ...] = ()
    late: bool = False
    time: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""


class Class(NamedTuple):
    """The submissions of a class, sorted by student, and the files of no student."""

    submissions: tuple[Submission, ...]
    others: tuple[str, ...]


class _Group(NamedTuple):
    """The files of one student."""

    student: str
    id: str
    entries: list[Entry]


def find(path: str | Path, name: str) -> Class:
    """The submissions for an assignment in a folder or a zip archive.

    Args:
        path: the folder or the archive of a class.
        name: an assignment with reference values.

    Raises:
        InputError: if there are none, or the archive cannot be read.
    """
    with class_files.Root(path) as root:
        return _find(root, name)


def _find(root, name):
    found = _unwrapped(list(root.entries()), root)
    flat: list[Entry] = []
    others: list[Entry] = []
    for entry in found:
        is_flat = len(entry.parts) == 1 and not _exported(entry.name)
        (flat if is_flat else others).append(entry)
    groups = _folders(others, root, name)
    alone, others = _flat_students(flat, root, name)
    if alone:  # then a folder may hold pictures, or modules that all import
        helpers = [
            group for group in groups if _is_folder_of_helpers(group, root, name)
        ]
        groups = [group for group in groups if group not in helpers]
        others += [entry for group in helpers for entry in group.entries]
    submissions = _distinct([_chosen(g, root, name) for g in [*groups, *alone]])
    if not any(entry.is_code for g in [*groups, *alone] for entry in g.entries):
        kind = "folder" if root.is_folder else "archive"
        raise InputError(
            f"Expected .py or .ipynb files in the {kind} {root.path}, found none."
        )
    submissions.sort(key=lambda one: (one.student.casefold(), one.student, one.id))
    return Class(tuple(submissions), tuple(sorted(entry.path for entry in others)))


def single(path: str | Path, name: str) -> Submission:
    """The submission of one student: a file, or a folder or archive of all files.

    Args:
        path: the student has its name, without the suffix.
        name: an assignment with reference values.

    Raises:
        MissingFileError: if there is no such file or folder.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    student = path.resolve().stem
    if path.is_dir() or path.suffix.lower() == ".zip":
        with class_files.Root(path) as root:
            return _chosen(_Group(student, "", list(root.entries())), root, name)
    folder = str(path.absolute().parent)
    return Submission(student, root=folder, file=(path.name,), path=str(path))


def shard(
    submissions: Iterable[Submission], number: int, count: int
) -> list[Submission]:
    """Part `number`, from 1 to `count`, of the submissions.

    It depends on the name of each student alone: every machine finds the same part,
    and one more student moves no other.
    """

    def part(student):
        digest = hashlib.sha256(student.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % count + 1

    return [one for one in submissions if part(one.student) == number]


@contextlib.contextmanager
def opened(submission: Submission) -> Iterator[Path]:
    """The path of the file to check, with the modules beside it.

    It is the file itself where that is possible, otherwise a copy in a temporary
    folder, which is removed at the end.

    Raises:
        InputError: if it cannot be read.
    """
    if not submission.file:
        raise InputError(submission.error)
    with class_files.Root(submission.root) as root, _opened(root, submission) as path:
        yield path


@contextlib.contextmanager
def _opened(root, submission):
    """As `opened`, below a root that is open already."""
    renamed = any(place[-1].split("/")[-1] != n for place, n in submission.beside)
    if root.is_folder and len(submission.file) == 1 and not renamed:
        yield root.path / submission.file[0]
        return
    left = class_files.LARGEST
    own = re.split(r"[/\\]", submission.file[-1])[-1]
    with tempfile.TemporaryDirectory(prefix="dls_keras_") as folder:
        for place, name in (*submission.beside, (submission.file, own)):
            content = root.read(place, limit=left)
            left -= len(content)
            Path(folder, name).write_bytes(content)
        yield Path(folder, own)


def digest(submission: Submission) -> str:
    """The sha256 of the file to check and of the modules beside it; "" if unreadable.

    Two submissions with the same one have the same report.
    """
    if not submission.file:
        return ""
    found = hashlib.sha256()
    try:
        with class_files.Root(submission.root) as root:
            for place, name in ((submission.file, ""), *submission.beside):
                content = root.read(place)
                found.update(f"{name}\n{len(content)}\n".encode() + content)
    except (InputError, OSError, LookupError):
        return ""
    return found.hexdigest()


# Names of students.


def _exported(name):
    """What the name of an exported file or folder states, {} if it is no such name."""
    for pattern in EXPORTS:
        if found := pattern.fullmatch(name):
            return found.groupdict(default="")
    return {}


def _own_name(name):
    """The name that the student gave a file."""
    return _exported(name).get("file") or name


def _unwrapped(entries, root):
    """The entries without a folder around all of them, as most archives have one."""
    while True:
        tops = {entry.parts[0] for entry in entries}
        if len(tops) != 1 or any(len(entry.parts) == 1 for entry in entries):
            return entries
        (top,) = tops
        if _exported(top) or not _wraps(top, entries, root):
            return entries
        entries = [entry._replace(parts=entry.parts[1:]) for entry in entries]


def _wraps(top, entries, root):
    """Whether a folder holds the submissions of a class, not of one student."""
    if root.path.stem == top or WRAPPERS.search(top):
        return True
    code = [entry.parts[1:] for entry in entries if entry.is_code]
    direct = [parts for parts in code if len(parts) == 1]
    if any(_exported(parts[0]) for parts in code) or (
        len(direct) > 1 and not root.is_folder  # as in a folder of files
    ):
        return True
    return len({p[0] for p in code}) > 1 and all(len(parts) > 1 for parts in code)


def _folders(entries, root, name):
    """A group for each student who has a folder, or files with an exported name."""
    prefix = _classroom_prefix(entries, root, name)
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        top = entry.parts[0]
        if exported := _exported(top):
            key = exported["student"], exported.get("id", "")
        else:
            key = top.removesuffix(".zip").removeprefix(prefix) or top, ""
        groups.setdefault(key, []).append(entry)
    return [_Group(*key, group) for key, group in groups.items()]


def _classroom_prefix(entries, root, name):
    """What GitHub Classroom writes before the names of the students, or ""."""
    tops = sorted({e.parts[0] for e in entries if not _exported(e.parts[0])})
    if len(tops) < 2:
        return ""
    common = os.path.commonprefix(tops)
    common = common[: common.rfind("-") + 1]
    if all(top.removeprefix(common).isdigit() for top in tops):
        return ""  # such as student-1 and student-2
    words = re.findall(r"[a-z]+|\d+", common.lower())
    known = PREFIX_WORDS | definitions.words(name)
    cloned = any((root.path / top / ".git").exists() for top in tops)
    if cloned or any(word in known or word.isdigit() for word in words):
        return common
    return ""


def _distinct(submissions):
    """The submissions; students of the same name have their number or path, too."""
    count = Counter(one.student.casefold() for one in submissions)
    return [
        one._replace(student=f"{one.student} ({one.id or one.path})")
        if count[one.student.casefold()] > 1
        else one
        for one in submissions
    ]


# Files without folders, and helpers.


class _Content(NamedTuple):
    """What a file defines and imports, or why it cannot be read."""

    names: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()
    error: str = ""


def _content(root, entry):
    if entry.error:
        return _Content(error=entry.error)
    try:
        with _opened(root, Submission("", file=entry.place)) as path:
            return _Content(*definitions.read(path))
    except (InputError, OSError, ValueError) as error:
        return _Content(error=class_files.reason(error))


def _flat_students(entries, root, name):
    """A group for each file that is a student's, and the other files."""
    code = [entry for entry in entries if entry.is_code]
    notebooks = [entry for entry in code if entry.suffix != ".py"]
    stems = {entry.stem for entry in notebooks}
    modules = [e for e in code if e.suffix == ".py" and e.stem not in stems]
    contents = {entry: _content(root, entry) for entry in code} if modules else {}
    imported = {m for content in contents.values() for m in content.imports}
    least = 2 if notebooks else 1  # functions of the assignment
    helpers = {
        entry
        for entry in modules
        if entry.stem in imported or _is_helper(contents[entry], name, least)
    }
    if len(helpers) == len(code):  # no student would be left
        helpers = set()
    groups: dict[str, list[Entry]] = {}
    for entry in code:
        if entry not in helpers:
            groups.setdefault(entry.stem, []).append(entry)
    rest = [entry for entry in entries if not entry.is_code]
    return [_Group(student, "", g) for student, g in groups.items()], [*rest, *helpers]


def _is_helper(content, name, least=1):
    """Whether a file defines fewer functions of the assignment than `least`."""
    own = definitions.to_write(name)
    if content.error or len(content.names & own) >= min(least, len(own)):
        return False
    return not definitions.looks_like(content.names, name)


def _is_folder_of_helpers(group, root, name):
    code = [entry for entry in group.entries if entry.is_code]
    if _exported(group.entries[0].parts[0]):
        return False
    return all(e.suffix == ".py" and _is_helper(_content(root, e), name) for e in code)


# The file to check.


def _chosen(group, root, name):
    """The submission of a student: the file to check among all that are there."""
    code = [entry for entry in group.entries if entry.is_code]
    broken = [entry for entry in code if entry.error]
    modules = [e for e in code if e.suffix == ".py" and not e.error]
    notebooks = [e for e in code if e.suffix == ".ipynb" and not e.error]
    candidates, notes = notebooks or modules, []
    if len(candidates) > 1:
        candidates, unread, notes = _best(candidates, root, name)
        broken += unread
    problems = [f"{e.path} could not be read: {e.error}." for e in broken]
    path = "/".join([str(root.path), *(entry.parts[0] for entry in group.entries[:1])])
    place = str(root.path.absolute())  # for processes in other folders
    submission = Submission(group.student, group.id, place, path=path)
    for own in candidates[:1]:
        exported = _exported(own.parts[0])
        return submission._replace(
            file=own.place,
            path=f"{root.path}/{own.path}",
            beside=_beside(own, modules),
            late=bool(exported.get("late")),
            time=_iso(exported.get("time")),
            notes=(*notes, *problems),
        )
    listed = _listed([_own_name(entry.name) for entry in group.entries])
    nothing = f"Expected a .py or .ipynb file, received {listed or 'nothing'}."
    return submission._replace(error=" ".join(problems[:MOST_LISTED]) or nothing)


def _iso(time):
    """The time of Blackboard, 2026-11-30-20-15-00, in ISO 8601."""
    return f"{time[:10]}T{time[11:].replace('-', ':')}" if time else ""


def _listed(names):
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def _best(candidates, root, name):
    """The readable candidates, the one to check first; those not read; notes.

    A file of another assignment, or a module that another one imports, is not chosen
    if there is a better one.
    """
    contents = {entry: _content(root, entry) for entry in candidates}
    errors = {entry: content.error for entry, content in contents.items()}
    unread = [e._replace(error=error) for e, error in errors.items() if error]
    readable = [entry for entry in candidates if not errors[entry]]
    counts = {e: len(contents[e].names & definitions.to_write(name)) for e in readable}
    if candidates[0].suffix == ".py":
        imported = {module for e in readable for module in contents[e].imports}
        free = [entry for entry in readable if entry.stem not in imported]
        readable = free or readable
    most = max((counts[entry] for entry in readable), default=0)
    readable = [entry for entry in readable if 2 * counts[entry] >= most]
    if len(readable) < 2:
        return readable, unread, []
    ordered, why = _newest_first(readable)
    first, *others = (_own_name(entry.name) for entry in ordered)
    if first in others:  # they are in several folders
        first, *others = (entry.path for entry in ordered)
    kind = "notebooks" if ordered[0].suffix == ".ipynb" else "modules"
    note = (
        f"Of {len(ordered)} {kind} {first} is checked, the newest by its {why}; "
        f"not {_listed(others)}."
    )
    return ordered, unread, [note]


def _newest_first(entries):
    """The entries, the newest first, and by what it is recognised."""
    stems = {e: _own_name(e.name).casefold().rpartition(".")[0] for e in entries}
    numbers = {e: tuple(map(int, NUMBER.findall(stem))) for e, stem in stems.items()}
    same = len({NUMBER.sub("", stem) for stem in stems.values()}) == 1
    if same and len(set(numbers.values())) == len(entries):
        return sorted(entries, key=lambda e: numbers[e], reverse=True), "number"
    submitted = {e: _exported(e.parts[0]).get("time", "") for e in entries}
    if len(set(submitted.values())) == len(entries):
        return sorted(entries, key=lambda e: submitted[e], reverse=True), "time"
    last = max(entry.modified for entry in entries)
    recent = [e for e in entries if e.modified > last - 2]  # archives have 2 seconds
    ordered = sorted(
        entries,
        key=lambda e: (e in recent, numbers[e] if e in recent else (), e.parts),
        reverse=True,
    )
    return ordered, "time" if len(recent) == 1 else "name"


def _beside(own, modules):
    """The modules in the folder of a file, with the names by which it imports them."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in modules:
        if entry.parts[:-1] == own.parts[:-1] and entry != own:
            found.setdefault(_own_name(entry.name), entry.place)
    found.pop(own.name, None)
    return tuple((place, name) for name, place in list(found.items())[:MOST_MODULES])
