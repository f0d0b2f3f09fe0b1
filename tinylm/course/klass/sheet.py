"""The marks as CSV, for a spreadsheet or a learning platform: one row a student, one column an exercise."""

import csv
import io
from collections.abc import Mapping, Sequence

from tinylm.course.verdict import Verdict, number

__all__ = ["harmless", "sheet"]

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what makes a spreadsheet compute a cell


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front.

    OWASP, CSV Injection.

    >>> harmless("=1+1"), harmless("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def sheet(names: Sequence[str], table: Mapping[str, Mapping[str, Verdict]], points: Mapping[str, float] | None) -> str:
    """The table, in UTF-8 with CRLF as RFC 4180 has it; without points, an exercise counts 1.

    A right answer that works too much gets half; see Verdict.share.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["student", *names, "total"])
    for student, verdicts in table.items():
        got = [(1.0 if points is None else points.get(name, 0.0)) * verdicts[name].share for name in names]
        writer.writerow([harmless(student), *map(number, got), number(sum(got))])
    return text.getvalue()
