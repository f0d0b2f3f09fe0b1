"""A whole class: a folder of submissions is graded in parallel, and becomes marks, feedback and an overview.

for graded in grading_class("submissions", "report"):
    print(graded.student, graded.right, "of", graded.of)
"""

from tinylm.course.klass.grading import ClassError, Graded, grading_class

__all__ = ["ClassError", "Graded", "grading_class"]
