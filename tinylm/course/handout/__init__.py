"""A course from one file: folders for students and staff, and forms for other graders.

from tinylm.course.handout import handout, read_course

handout(read_course("COURSE.toml"), "dir", ["nbgrader"])
"""

from tinylm.course.handout.example import example
from tinylm.course.handout.make import FORMS, handout, handout_files
from tinylm.course.handout.settings import Course, CourseError, Item, Week, read_course

__all__ = [
    "FORMS",
    "Course",
    "CourseError",
    "Item",
    "Week",
    "example",
    "handout",
    "handout_files",
    "read_course",
]
