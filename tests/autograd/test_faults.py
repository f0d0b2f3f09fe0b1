"""Engines broken on purpose, each caught by a named law of checks.py, and the machine's worth shown on some."""
# ruff: noqa: PT012  (blocks of several lines that raise are what is tested)

import importlib
from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from tests.autograd import checks
from tinylm import GraphError
from tinylm.autograd import engine, guard, modes, watch
from tinylm.ops import indexing

tensors = importlib.import_module("tinylm.autograd.tensor")  # the package's name `tensor` is the function
Patch = pytest.MonkeyPatch


def no_unbroadcast(patch: Patch) -> None:
    patch.setattr(engine, "unbroadcast", lambda gradient, shape: gradient)


def unbroadcast_only_new_axes(patch: Patch) -> None:
    def leading(gradient, shape):
        gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
        return gradient[tuple(slice(n) for n in shape)]

    patch.setattr(engine, "unbroadcast", leading)


def last_gradient_wins_in_flight(patch: Patch) -> None:
    original = engine._Pending.add

    def add(self, node, gradient):
        if node in self._arrived:
            self._arrived[node].total = None
        original(self, node, gradient)

    patch.setattr(engine._Pending, "add", add)


def last_gradient_wins_in_leaves(patch: Patch) -> None:
    patch.setattr(tensors.Tensor, "accumulate", lambda self, g: setattr(self, "_grad", g.copy()))


def oldest_first(patch: Patch) -> None:
    def pop(self):
        node = min(self._arrived, key=lambda node: node.number)
        return node, self._arrived.pop(node).whole(node)

    patch.setattr(engine._Pending, "pop", pop)
    patch.setattr(engine._Pending, "__bool__", lambda self: bool(self._arrived))


def spent_flag_forgotten(patch: Patch) -> None:
    def free(self):
        self.kept, self.edges = {}, ()
        self.hold.release()

    patch.setattr(engine.Node, "free", free)


def graph_always_freed(patch: Patch) -> None:
    original = engine.run_backward
    patch.setattr(tensors, "run_backward", lambda node, grad, keep_graph: original(node, grad, False))


def first_gradient_not_copied(patch: Patch) -> None:
    def accumulate(self, gradient):
        self._grad = gradient if self._grad is None else self._grad + gradient

    patch.setattr(tensors.Tensor, "accumulate", accumulate)
    patch.setattr(engine, "_fit", lambda node, place, gradient, shape, dtype: gradient.base)


def sums_into_the_first_gradient(patch: Patch) -> None:
    original = engine._Pending.add

    def add(self, node, gradient):
        original(self, node, gradient.base if gradient.base is not None else gradient)
        self._arrived[node].owned = True

    patch.setattr(engine._Pending, "add", add)


def promotion_not_undone(patch: Patch) -> None:
    patch.setattr(engine, "_fit", lambda node, place, gradient, shape, dtype: engine.unbroadcast(gradient, shape))


def modes_without_finally(patch: Patch) -> None:
    @contextmanager
    def no_grad():
        modes._grad.set(False)
        yield
        modes._grad.set(True)

    patch.setattr(modes, "no_grad", no_grad)


def nothing_held(patch: Patch) -> None:
    patch.setattr(engine, "arrays_in", lambda values, kind: [])


def owners_not_held(patch: Patch) -> None:
    patch.setattr(guard, "_owners", lambda array: [])


def locks_stay(patch: Patch) -> None:
    patch.setattr(guard._Entry, "unlock", lambda self: None)


def writes_not_counted(patch: Patch) -> None:
    patch.setattr(guard.Hold, "changed", lambda self: None)


def no_release_without_backward(patch: Patch) -> None:
    patch.delattr(guard.Hold, "__del__")


def kept_arrays_not_freed(patch: Patch) -> None:
    def free(self):
        self.spent = True
        self.hold.release()

    patch.setattr(engine.Node, "free", free)


def index_shared_with_the_caller(patch: Patch) -> None:
    patch.setattr(indexing, "private", lambda index: index)


def incoming_gradient_writable(patch: Patch) -> None:
    patch.setattr(engine, "np", SimpleNamespace(ndarray=None))


def minus_equals_rebinds(patch: Patch) -> None:
    patch.delattr(tensors.Tensor, "__isub__")


def results_overwritten_where_not_recorded(patch: Patch) -> None:
    original = tensors.Tensor._in_place

    def in_place(self, operation, other):
        self._made = self.node is not None
        self.data.setflags(write=True)
        return original(self, operation, other)

    patch.setattr(tensors.Tensor, "_in_place", in_place)


def plus_equals_always_writes(patch: Patch) -> None:
    def add(self, other):
        with guard.writing(self.data) as array:
            array += tensors._bare(other)
        return self

    patch.setattr(tensors.Tensor, "__iadd__", add)


def arrays_taken_out_silently(patch: Patch) -> None:
    patch.setattr(tensors.Tensor, "__array__", lambda self, dtype=None, copy=None: np.array(self.data))


def no_gradient_taken_for_zero(patch: Patch) -> None:
    original = engine.Node.gradients
    patch.setattr(
        engine.Node, "gradients", lambda self, dy: tuple(0 * dy if g is None else g for g in original(self, dy))
    )


def live_arrays_recorded(patch: Patch) -> None:
    patch.setattr(watch, "_copied", lambda value: value)


def parts_in_the_wrong_order(patch: Patch) -> None:
    original = engine.Node.gradients
    patch.setattr(engine.Node, "gradients", lambda self, dy: original(self, dy)[::-1])


CAUGHT_BY: dict[Callable[[Patch], None], Callable[[], None]] = {
    no_unbroadcast: checks.check_broadcasting_is_undone_over_new_and_repeated_axes,
    unbroadcast_only_new_axes: checks.check_broadcasting_is_undone_over_new_and_repeated_axes,
    last_gradient_wins_in_flight: checks.check_gradients_add_up_where_a_result_is_used_twice,
    last_gradient_wins_in_leaves: checks.check_gradients_add_up_over_backward_calls,
    oldest_first: checks.check_a_node_waits_for_all_that_depend_on_it,
    spent_flag_forgotten: checks.check_a_spent_graph_refuses,
    graph_always_freed: checks.check_a_kept_graph_can_be_used_again,
    first_gradient_not_copied: checks.check_gradients_share_memory_with_nothing,
    sums_into_the_first_gradient: checks.check_summing_in_flight_changes_no_array_of_others,
    promotion_not_undone: checks.check_promotion_is_undone_in_gradients,
    modes_without_finally: checks.check_modes_come_back_after_an_exception,
    nothing_held: checks.check_a_kept_array_is_read_only_until_backward,
    owners_not_held: checks.check_the_owner_of_kept_memory_is_read_only_too,
    locks_stay: checks.check_a_kept_array_is_read_only_until_backward,
    writes_not_counted: checks.check_a_counted_write_spoils_the_graph,
    no_release_without_backward: checks.check_a_dropped_graph_gives_its_arrays_back,
    kept_arrays_not_freed: checks.check_backward_frees_what_forward_kept,
    index_shared_with_the_caller: checks.check_an_index_is_remembered_as_it_was,
    incoming_gradient_writable: checks.check_a_backward_cannot_write_into_the_gradient_it_gets,
    minus_equals_rebinds: checks.check_a_step_by_hand_changes_the_parameter,
    results_overwritten_where_not_recorded: checks.check_in_place_operators_mean_the_same_without_recording,
    plus_equals_always_writes: checks.check_a_running_total_keeps_its_graph,
    arrays_taken_out_silently: checks.check_numpy_does_not_cut_a_graph,
    no_gradient_taken_for_zero: checks.check_a_backward_that_forgets_return_is_told,
    live_arrays_recorded: checks.check_a_recorder_shows_values_as_they_were,
    parts_in_the_wrong_order: checks.check_joined_parts_get_their_own_gradients,
}


# what a law raises; a TypeError or NameError would only show that the fault itself is broken
CAUGHT = (AssertionError, TypeError, pytest.fail.Exception, ValueError, GraphError, engine.GradientError)


@pytest.mark.parametrize("fault", CAUGHT_BY, ids=lambda fault: fault.__name__)
def test_the_fault_is_caught(fault) -> None:
    law = CAUGHT_BY[fault]
    law()  # silent on the engine as it is
    token = modes._grad.set(True)
    try:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(CAUGHT):
            fault(patch)
            law()
    finally:
        modes._grad.reset(token)


def test_every_law_catches_some_fault() -> None:
    laws = {value for name, value in vars(checks).items() if name.startswith("check_")}
    assert laws == set(CAUGHT_BY.values())
