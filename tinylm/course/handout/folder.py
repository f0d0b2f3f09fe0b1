"""Writing the files of a handout so that nobody's work is lost; knows nothing of what they hold."""

import os
from collections.abc import Mapping
from pathlib import Path

from tinylm.course.handout.settings import CourseError
from tokenizer.formats import write_atomically

__all__ = ["write_folder"]

OLD = "old"


def write_folder(
    folder: str | os.PathLike[str], files: Mapping[str, str], *, force: bool = False
) -> list[tuple[str, str]]:
    """Write files, by their names below a folder, each of them whole or not at all.

    force   into a folder that is not empty, too: a file there with another text is first renamed to NAME.old-1 (or
            the next number that is free); files that are not among these stay

    →   what was renamed, as (name, new name)

    Raises CourseError where the folder is not empty, without force.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise CourseError(f"{folder} is a file; give the name of a folder")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise CourseError(
            f"{folder} is not empty; give another folder, or --force: files that differ are then kept as NAME.{OLD}-1"
        )
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is not below the folder")
    moved = []
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        if target.exists():
            if target.read_bytes() == data:
                continue
            number = 1
            while (old := target.with_name(f"{target.name}.{OLD}-{number}")).exists():
                number += 1
            target.rename(old)
            moved.append((name, str(old.relative_to(folder))))
        write_atomically(target, data)
        if name.endswith((".sh", "run_autograder")):
            target.chmod(0o755)
    return moved
