"""Modes and scopes: restored after exceptions, separate in threads, nested as written."""
# ruff: noqa: PT012  (blocks of several lines that raise are what is tested)

import sys
import threading

import numpy as np
import pytest

from tinylm import enable_grad, no_grad, tensor, use_device, use_kernels, watching
from tinylm.autograd import Recorder, grad_enabled, scope, scoped
from tinylm.autograd.modes import reference_kernels
from tinylm.autograd.watch import watchers
from tinylm.backend import current_backend

SWITCHES = [
    (no_grad, grad_enabled, True, False),
    (lambda: use_kernels("reference"), reference_kernels, False, True),
    (lambda: scoped("block"), scope, "", "block"),
    (lambda: watching(print), watchers, (), (print,)),
    (lambda: use_device("strict"), lambda: current_backend().name, "numpy", "strict"),
]
NAMES = ["no_grad", "use_kernels", "scoped", "watching", "use_device"]


@pytest.mark.parametrize(("switch", "state", "outside", "inside"), SWITCHES, ids=NAMES)
def test_a_mode_is_restored_when_the_block_raises(switch, state, outside, inside) -> None:
    assert state() == outside
    with pytest.raises(KeyError), switch():
        assert state() == inside
        raise KeyError
    assert state() == outside


@pytest.mark.parametrize(("switch", "state", "outside", "inside"), SWITCHES, ids=NAMES)
def test_a_mode_of_one_thread_is_not_seen_by_another(switch, state, outside, inside) -> None:
    entered, done, seen = threading.Event(), threading.Event(), []

    def other() -> None:
        entered.wait(5)
        seen.append(state())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with switch():
        entered.set()
        done.wait(5)
        assert state() == inside
    thread.join()
    assert seen == [outside]


def test_modes_nest() -> None:
    with no_grad():
        with enable_grad():
            assert grad_enabled()
            with no_grad():
                assert not grad_enabled()
            assert grad_enabled()
        assert not grad_enabled()
    with use_kernels("reference"):
        with use_kernels("fast"):
            assert not reference_kernels()
        assert reference_kernels()


def test_enable_grad_is_restored_when_the_block_raises() -> None:
    with no_grad():
        with pytest.raises(KeyError), enable_grad():
            raise KeyError
        assert not grad_enabled()


def test_no_grad_is_also_a_decorator() -> None:
    @no_grad()
    def double(x):
        return x * 2

    x = tensor([1.0], requires_grad=True)
    assert not double(x).requires_grad
    assert not double(x).requires_grad  # a decorator can be used again
    assert (x * 2).requires_grad


def test_only_two_kinds_of_kernels_exist() -> None:
    with pytest.raises(ValueError, match="""expected "fast" or "reference", got 'quick'"""):
        use_kernels("quick").__enter__()


def test_scopes_nest_with_dots_and_an_empty_name_adds_none() -> None:
    with scoped("h"), scoped(""), scoped("attn"):
        assert scope() == "h.attn"
    assert scope() == ""


def test_watchers_nest_and_the_first_is_given_back() -> None:
    with watching(Recorder(), print) as outer:
        assert isinstance(outer, Recorder)
        with watching(len):
            assert watchers() == (outer, print, len)
        assert watchers() == (outer, print)


def test_graphs_of_many_threads_over_one_leaf_leave_it_writable_and_right() -> None:
    x = tensor(np.ones(4), requires_grad=True)
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(300):
                y = (x * x).sum() * x.sum()
                with pytest.raises(ValueError, match="read-only"):
                    x.data[0] = 5.0
                del y
        except BaseException as problem:
            wrong.append(problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
    x.data[0] = 2.0
    assert x.tolist() == [2.0, 1.0, 1.0, 1.0]
