"""The pool of buffers: no two live arrays share memory, views keep what they view, and what is idle is used again."""

import gc
import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.backend import memory
from tinylm.backend.memory import SMALLEST, Pool, owns_memory

LARGE = SMALLEST // 4  # elements of float32: the smallest array that the pool serves


def span(array):
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


@given(st.lists(st.tuples(st.sampled_from(["take", "view", "drop"]), st.integers(0, 5)), max_size=60))
def test_live_arrays_never_overlap_and_keep_their_values(moves):
    pool, live = Pool(), {}
    for count, (move, which) in enumerate(moves):
        if move == "take":
            array = pool.empty((LARGE + 700 * which,), np.float32)
            array[...] = count
            live[count] = array
        elif live:
            key = list(live)[which % len(live)]
            if move == "view":
                live[key] = live[key][: max(1, len(live[key]) // 2)]  # the array itself is gone, a view of it is not
            else:
                del live[key]
        spans = sorted(span(array) for array in live.values())
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert all((array == value).all() for value, array in live.items())


def test_memory_is_used_again_when_the_last_view_is_gone():
    pool = Pool()
    array = pool.empty((LARGE,), np.float32)
    where = span(array)[0]
    rows = array.reshape(2, -1)[1:]
    del array
    assert span(pool.empty((LARGE,), np.float32))[0] != where
    del rows
    again = [pool.empty((LARGE,), np.float32) for _ in range(2)]
    assert where in [span(array)[0] for array in again]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_arrays_look_as_those_of_numpy(dtype):
    shape = (8, LARGE)
    array = Pool().empty(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.flags.c_contiguous, array.flags.writeable) == (shape, dtype, True, True)
    assert array.ctypes.data % 64 == 0
    assert owns_memory(array)
    assert not owns_memory(array[1:])
    array.setflags(write=False)
    array.setflags(write=True)  # as the guard of a graph does


def test_small_arrays_and_objects_come_from_numpy():
    pool = Pool()
    arrays = [pool.empty((3,), np.float32), pool.empty(7, np.int64), pool.empty((LARGE,), object)]
    assert [array.base for array in arrays] == [None] * 3
    assert pool.lent == 0


def test_a_buffer_is_at_most_a_quarter_too_large():
    pool = Pool()
    where = span(pool.empty((10 * LARGE,), np.float32))[0]
    assert span(pool.empty((7 * LARGE,), np.float32))[0] != where
    keep = pool.empty((9 * LARGE,), np.float32)
    assert span(keep)[0] == where


def test_what_nobody_wants_for_long_goes_back_to_the_system():
    pool = Pool()
    pool.empty((10 * LARGE,), np.float32)
    assert pool.idle > 0
    for _ in range(2 * memory.PATIENCE + 2):
        pool.empty((LARGE,), np.float32)
    keep = pool.empty((LARGE,), np.float32)
    assert pool.idle < 2 * LARGE * 4
    pool.clear()
    assert pool.idle == 0
    assert pool.lent >= keep.nbytes


def test_threads_never_get_the_same_memory():
    pool, wrong = Pool(), []

    def work(mine):
        for round_ in range(300):
            arrays = [pool.empty((LARGE + 1024 * (round_ % 3),), np.float32) for _ in range(3)]
            for array in arrays:
                array[:: LARGE // 4] = mine
            if not all((array[:: LARGE // 4] == mine).all() for array in arrays):
                wrong.append(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    assert pool.lent == 0
