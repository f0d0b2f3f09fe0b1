"""benchmarks/laws_of_others.py: what it prints of right and wrong code, and of what is not installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tinylm.testing import laws_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import laws_of_others
        import laws_of_others_subjects
    finally:
        sys.path.pop(0)
    return laws_of_others, laws_of_others_subjects


def printed(bench, **subject):
    main, subjects = bench
    lines = []
    broken = main.report([subjects.Subject(**subject)], 20, True, lines.append)
    return broken, lines[2:]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_laws_that_hold_are_counted(bench):
    broken, lines = printed(bench, name="mine", package="numpy", make=lambda: softmax, topics=("softmax",))
    assert broken == 0
    assert len(lines) == 2
    assert lines[1] == f"| numpy | {np.__version__} | 3 laws | hold, in 1 parts |"
    assert lines[0].startswith(f"| mine | {np.__version__} | 3 laws | hold: softmax_sums_to_one, ")


def test_a_law_that_does_not_hold_has_a_row_with_its_counterexample(bench):
    def hot(x):
        return softmax(x / 2)

    broken, lines = printed(bench, name="mine", package="numpy", make=lambda: hot, topics=("softmax",))
    assert broken == 1
    assert lines[0].startswith(f"| mine | {np.__version__} | softmax_keeps_order | `x=[[0.0, ")
    assert "the probability beside that of the largest logit" in lines[0]
    assert "| 2 laws |" in lines[1]


def test_what_is_not_installed_is_skipped_and_said_so(bench):
    _, lines = printed(bench, name="theirs", package="no-such-package-here", make=lambda: 1 / 0)
    assert lines == ["| theirs | not installed | skipped | pip install no-such-package-here |"]
    _, lines = printed(bench, name="theirs", package="numpy", program="no-such-program-here", make=lambda: 1 / 0)
    assert lines == [f"| theirs | {np.__version__} | skipped | no-such-program-here is not installed |"]


def test_what_is_said_of_counterexamples_names_subjects_and_laws_that_there_are(bench):
    main, subjects = bench
    assert {name for name, _ in main.KNOWN} <= {subject.name for subject in subjects.SUBJECTS}
    assert {law for _, law in main.KNOWN} <= {"", *(law.name for law in laws_of())}
    assert len({subject.package for subject in subjects.SUBJECTS}) >= 10
