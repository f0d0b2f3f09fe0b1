"""Work shared between threads: every part once, errors told, contexts carried, BLAS put back as it was."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import no_grad
from tinylm.autograd import grad_enabled
from tinylm.backend import threads as module
from tinylm.backend.threads import set_threads, share, side_by_side, threads, use_threads


def blas_threads():
    return [library.get_num_threads() for library in module._blas()]


@given(st.integers(0, 50), st.integers(1, 20), st.integers(1, 4))
def test_shared_work_covers_the_range_once(count, least, many):
    seen = []
    with use_threads(many):
        share(lambda a, b: seen.append((a, b)), count, least)
    assert sorted(i for a, b in seen for i in range(a, b)) == list(range(count))
    assert len(seen) <= many
    assert len(seen) == 1 or min(b - a for a, b in seen) >= least


def test_parts_run_on_threads_of_their_own_with_the_callers_context():
    def look():
        return threading.get_ident(), grad_enabled(), threads(), blas_threads()

    before = blas_threads()
    with use_threads(3), no_grad():
        results = side_by_side([look, look])
    assert results[0][0] == threading.get_ident()
    assert results[1][0] != threading.get_ident()
    assert [r[1:] for r in results] == [(False, 1, [1] * len(before))] * 2
    assert blas_threads() == before
    assert grad_enabled()


def test_numpys_error_state_is_carried_too():
    def overflow():
        return float(np.exp(np.float32(1000)))

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        side_by_side([lambda: 0.0, overflow])
    with np.errstate(over="ignore"):
        assert side_by_side([overflow, overflow]) == [np.inf, np.inf]


def test_the_first_error_is_raised_after_all_have_ended():
    ended = []

    def fail(name):
        ended.append(name)
        raise ValueError(name)

    before = blas_threads()
    with pytest.raises(ValueError, match="a"):
        side_by_side([lambda: fail("a"), lambda: fail("b"), lambda: ended.append("c")])
    with pytest.raises(ValueError, match="b"):
        side_by_side([lambda: ended.append("d"), lambda: fail("b")])
    assert sorted(ended) == ["a", "b", "b", "c", "d"]
    assert blas_threads() == before


def test_results_come_in_order():
    assert side_by_side([lambda i=i: i for i in range(5)]) == list(range(5))


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "2"])
def test_a_number_of_threads_is_a_whole_number_from_one_up(count):
    with pytest.raises(ValueError, match="whole number from 1 up"):
        set_threads(count)


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    return result.stdout.strip(), result.stderr


def test_the_environment_and_set_threads_decide():
    ask = "from tinylm.backend.threads import threads, set_threads, _blas; import numpy; "
    assert run(ask + "print(threads())", TINYLM_THREADS="3")[0] == "3"
    assert run(ask + "print(threads())", OPENBLAS_NUM_THREADS="1", TINYLM_THREADS="")[0] == "1"
    told = "set_threads(1); print(threads(), *[b.get_num_threads() for b in _blas()])"
    assert set(run(ask + told, OPENBLAS_NUM_THREADS="2")[0].split()) == {"1"}
    assert "TINYLM_THREADS must be a whole number" in run(ask + "threads()", TINYLM_THREADS="many")[1]


FORK = """
import os
from tinylm.backend import threads
from tinylm.backend.threads import side_by_side

def child_is_well():
    "A child finds BLAS as it was before any region, and shares work by threads of its own."
    child = os.fork()
    if child == 0:
        counts = [library.get_num_threads() for library in threads._blas()]
        results = side_by_side([lambda: 1, lambda: 2])
        after = [library.get_num_threads() for library in threads._blas()]
        os._exit(0 if results == [1, 2] and counts == after == before else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

before = [library.get_num_threads() for library in threads._blas()]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "when",
    [
        "side_by_side([lambda: 1, lambda: 2]); print(child_is_well())",  # after the parent's threads were made
        "print(side_by_side([child_is_well, lambda: 2])[0])",  # while BLAS is held to one thread
    ],
)
def test_a_forked_child_makes_threads_of_its_own(when):
    out, err = run(FORK + when, OPENBLAS_NUM_THREADS="2")
    assert out == "0", err
