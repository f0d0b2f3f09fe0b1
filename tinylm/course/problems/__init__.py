"""The problems by topic, one file each; importing this makes them known, in the order of a course."""

from tinylm.course.problems import normalization

__all__ = ["normalization"]
