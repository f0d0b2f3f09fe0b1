"""Finding what each student handed in: files, folders, and nbgrader's submitted/<student>/<assignment>/.

Links are never followed, and nothing but ordinary files of ordinary size is read.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tinylm.course.handed_in import MAX_NOTEBOOK

__all__ = ["Submission", "submissions"]

SUFFIXES = (".py", ".ipynb")
DEEPEST = 3  # folders below a student's own
MOST = 100  # files of one student
ALL_BYTES = 1 << 26
IGNORED = ("__pycache__", "__MACOSX", "node_modules", "venv", "site-packages")


@dataclass(frozen=True, slots=True)
class Submission:
    """What one student handed in; the contents stay on disk.

    student   the name of the file or folder, unique in the class
    paths     (name below the student's folder, where it lies), in order: my_work.py first, then by name
    notes     sentences on what was left out
    digest    of names, contents and notes, as they were found
    """

    student: str
    paths: tuple[tuple[str, Path], ...] = ()
    notes: tuple[str, ...] = ()
    digest: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        """Name → content; raises OSError where it is no more what it was when it was found."""
        files, notes = _read(self.paths)
        if notes or _digest(files, self.notes) != self.digest:
            raise OSError(f"{self.student} changed since the run began")
        return files


def _digest(files: Mapping[str, bytes], notes: Iterable[str]) -> str:
    whole = sha256()
    for name, data in files.items():
        for part in (name.encode("utf-8", "surrogateescape"), data):
            whole.update(len(part).to_bytes(8, "big") + part)
    for note in notes:
        whole.update(note.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _submission(student: str, found: Sequence[tuple[str, Path]], notes: Sequence[str]) -> Submission:
    files, more = _read(found)
    kept = tuple((name, path) for name, path in found if name in files)
    return Submission(student, kept, (*notes, *more), _digest(files, (*notes, *more)))


def submissions(folder: Path, *, leave_out: Path | None = None) -> Iterator[Submission]:
    """The submissions in a folder, by name; `leave_out` is the report, where it lies among them.

    Raises OSError where the folder itself cannot be read.
    """
    entries = sorted(os.scandir(folder), key=lambda each: os.fsencode(each.name))
    stems: dict[str, int] = {}
    for entry in entries:
        stems[Path(entry.name).stem] = stems.get(Path(entry.name).stem, 0) + 1
    for entry in entries:
        hidden = entry.name.startswith(".") or entry.name in IGNORED
        if hidden or (leave_out is not None and Path(entry.path).resolve() == leave_out):
            continue
        if entry.is_symlink():
            name = Path(entry.name).stem if stems[Path(entry.name).stem] == 1 else entry.name
            yield _submission(printable(name), [], ["this is a link, which is not followed; hand in the file"])
        elif entry.is_dir(follow_symlinks=False):
            yield _of_folder(printable(entry.name), Path(entry.path))
        elif Path(entry.name).suffix in SUFFIXES:
            stem = Path(entry.name).stem
            name = entry.name if stems[stem] > 1 else stem
            yield _submission(printable(name), [(printable(entry.name), Path(entry.path))], [])


def printable(name: str) -> str:
    """A file's name as text that can be written anywhere: undecodable bytes and control characters become \\x..

    >>> printable("a\\tb\\udce9")
    'a\\\\x09b\\\\xe9'
    """
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or ord(c) == 127 else c for c in shown)


def _of_folder(student: str, folder: Path) -> Submission:
    found: list[tuple[str, Path]] = []
    notes: list[str] = []
    _walk(folder, "", found, notes)
    found.sort(key=lambda each: (not each[0].endswith("my_work.py"), each[0]))
    if len(found) > MOST:
        notes.append(f"there are {len(found)} Python files; only the first {MOST} are read")
    if not found:
        notes.append("there is no Python file and no notebook in it")
    return _submission(student, found[:MOST], notes)


def _walk(folder: Path, below: str, found: list[tuple[str, Path]], notes: list[str]) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda each: os.fsencode(each.name))
    except OSError as problem:
        notes.append(f"{below or 'the folder'} cannot be read: {problem.strerror}")
        return
    for entry in entries:
        name = f"{below}{printable(entry.name)}"
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        if entry.is_symlink():
            notes.append(f"{name} is a link, which is not followed; hand in the file itself")
        elif entry.is_dir(follow_symlinks=False):
            if below.count("/") < DEEPEST:
                _walk(Path(entry.path), f"{name}/", found, notes)
        elif Path(entry.name).suffix in SUFFIXES:
            found.append((name, Path(entry.path)))


def _read(found: Iterable[tuple[str, Path]]) -> tuple[dict[str, bytes], list[str]]:
    files: dict[str, bytes] = {}
    notes: list[str] = []
    size = 0
    for name, path in found:
        try:
            data = read_ordinary(path)
        except OSError as problem:
            notes.append(f"{name} cannot be read: {problem.strerror or problem}")
            continue
        size += len(data)
        if size > ALL_BYTES:
            notes.append(f"{name} is left out: there are more than {ALL_BYTES >> 20} MB in all")
            break
        files[name] = data
    return files, notes


def read_ordinary(path: Path) -> bytes:
    """The bytes of an ordinary file; raises OSError for a link, a pipe or a device, and for one that is too large."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is no ordinary file")
        if about.st_size > MAX_NOTEBOOK:
            raise OSError(f"it has {about.st_size / 1e6:,.0f} MB; {MAX_NOTEBOOK / 1e6:,.0f} MB at most are read")
        return file.read(MAX_NOTEBOOK)
