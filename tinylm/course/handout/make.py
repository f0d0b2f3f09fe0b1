"""All folders of a course at once: student, staff, and what else was asked for."""

import os
from collections.abc import Iterable

from tinylm.course.handout.adapters import adapter_files
from tinylm.course.handout.folder import write_folder
from tinylm.course.handout.gradescope import pytest_files
from tinylm.course.handout.nbgrader import nbgrader_files
from tinylm.course.handout.settings import Course
from tinylm.course.handout.staff import staff_files
from tinylm.course.handout.student import student_files

__all__ = ["FORMS", "handout", "handout_files"]

FORMS = {"nbgrader": nbgrader_files, "pytest": pytest_files, "adapters": adapter_files}


def handout_files(course: Course, forms: Iterable[str] = ()) -> dict[str, str]:
    """Every file of a handout, by name: student/ or students/ID/, staff/, and a folder for each of the forms.

    Raises ValueError for a form that there is not.
    """
    forms = tuple(dict.fromkeys(forms))
    for form in forms:
        if form not in FORMS:
            raise ValueError(f"no form is called {form!r}; there are {', '.join(FORMS)}")
    parts = {f"students/{student}": student_files(course, student) for student in course.students}
    parts = parts or {"student": student_files(course)}
    parts["staff"] = staff_files(course, forms)
    parts |= {form: FORMS[form](course) for form in forms}
    return {f"{folder}/{name}": text for folder, files in parts.items() for name, text in files.items()}


def handout(
    course: Course, folder: str | os.PathLike[str], forms: Iterable[str] = (), *, force: bool = False
) -> list[tuple[str, str]]:
    """Write a handout; what was renamed to be kept, as (name, new name). Errors are those of `write_folder`."""
    return write_folder(folder, handout_files(course, forms), force=force)
