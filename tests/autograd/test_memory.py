"""What lives how long: arrays that backward needs, intermediate results, the graph behind a loss."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from tests.autograd.checks import leaf
from tinylm import GPT, GPTConfig, no_grad, tensor, watching
from tinylm.autograd import guard


def array_refs(y) -> list[weakref.ref]:
    """Weak references to everything that the nodes behind y keep."""
    found, nodes, seen = [], [y.node], set()
    while nodes:
        node = nodes.pop()
        if node is None or node.number in seen:
            continue
        seen.add(node.number)
        found += [weakref.ref(value) for value in node.kept.values() if isinstance(value, np.ndarray)]
        nodes += [edge for edge in node.edges if hasattr(edge, "kept")]
    return found


def test_after_backward_nothing_that_was_kept_is_alive() -> None:
    gc.disable()  # references alone must do it
    try:
        model = GPT(GPTConfig(vocab_size=7, block_size=4, n_layer=1, n_head=1, n_embd=4))
        logits, loss = model([[1, 2, 3]], [[2, 3, 4]])
        del logits
        refs = array_refs(loss)
        mine = {id(p.data) for p in model.parameters()}
        loss.backward()
        assert len(refs) > 20
        assert all(ref() is None or id(ref()) in mine for ref in refs)
    finally:
        gc.enable()


def test_results_are_freed_while_backward_passes() -> None:
    x, alive = leaf(1.0), []
    y = x
    refs = []
    for _ in range(10):
        y = y.exp() * 0.1  # exp keeps its result, multiply keeps the same array
        refs.append(weakref.ref(y.node.kept["a"]))

    def count(step) -> None:
        if step.phase == "backward" and step.op.name == "exp":
            alive.append(sum(ref() is not None for ref in refs))

    z = y.sum()
    del y
    with watching(count):
        z.backward()
    assert alive == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_gradients_in_flight_are_freed_while_backward_passes() -> None:
    x, refs, alive = leaf(1.0), [], []
    y = x
    for _ in range(20):
        y = y * 2.0

    def look(step) -> None:
        if step.phase == "backward":
            refs.append(weakref.ref(step.outputs[0]))
            alive.append(sum(ref() is not None for ref in refs))

    with watching(look):
        y.backward(np.ones(1))
    assert max(alive) <= 3  # the one that came, the one that went, and the one being made


def test_losses_that_are_held_do_not_hold_their_graphs() -> None:
    x = tensor(np.ones(10_000), requires_grad=True)

    def step() -> object:
        loss = (x * x).exp().mean()
        loss.backward()
        x.grad = None
        return loss

    held = [step() for _ in range(3)]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held += [step() for _ in range(50)]
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50 * 8_000, f"{grown / 50:.0f} bytes for each loss; one kept array alone has 80,000"


def test_no_grad_keeps_nothing() -> None:
    x = leaf(1.0)
    with no_grad():
        y = x.exp()
        ref = weakref.ref(y.data)
        z = y * 2
        del y
    assert ref() is None
    assert z.node is None


def test_a_dropped_graph_needs_no_garbage_collection() -> None:
    gc.disable()
    try:
        x = leaf(1.0)
        y = x.exp()
        ref = weakref.ref(y.data)
        z = (y * y).sum()
        del y, z
        assert ref() is None
    finally:
        gc.enable()


def test_the_gradient_of_a_leaf_is_the_only_new_array_after_a_step() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    assert y.node.kept == {}
    assert y.node.settings == {}
    assert y.node.edges == ()


# -- what a caller holds by accident ---------------------------------------------------------------------


@pytest.fixture
def no_collection():
    """References alone must free what is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=[False, True], ids=["kept", "recomputed"])
def step(request):
    """A function that runs a small GPT forward, and tells which arrays of its graphs are alive.

    What backward makes is watched too: kept arrays, and gradients in flight.
    """
    model = GPT(GPTConfig(vocab_size=7, block_size=4, n_layer=2, n_head=1, n_embd=4))
    model.recompute = request.param
    refs: list[weakref.ref] = []

    def look(seen) -> None:
        arrays = [*seen.kept.values(), *seen.outputs]
        refs.extend(weakref.ref(a) for a in arrays if isinstance(a, np.ndarray))

    def forward():
        with watching(look):
            return model([[1, 2, 3]], [[2, 3, 4]])

    def backward(loss) -> None:
        with watching(look):
            loss.backward()

    def alive() -> list[tuple[int, ...]]:
        mine = {id(a.data) for p in model.parameters() for a in (p, p.grad) if a is not None}
        found = {id(a): a for ref in refs if (a := ref()) is not None and id(a) not in mine}
        return sorted(a.shape for a in found.values())

    forward.backward, forward.alive = backward, alive
    return forward


def test_a_list_of_losses_holds_no_array_but_theirs(step, no_collection) -> None:
    losses = []
    for number in range(5):
        losses.append(step()[1])
        step.backward(losses[-1])
        assert step.alive() == [()] * (number + 1)


def test_a_sum_of_losses_that_went_backward_holds_no_array_but_its_own(step, no_collection) -> None:
    total = tensor(0.0)
    for _ in range(5):
        loss = step()[1]
        step.backward(loss)
        total += loss
        del loss
        assert step.alive() == []  # total's own were made unwatched
    assert total.item() > 0


def test_a_sum_of_losses_that_did_not_go_backward_holds_their_graphs_until_it_does(step, no_collection) -> None:
    total, before = tensor(0.0), 0
    for _ in range(3):
        total += step()[1]
        assert len(step.alive()) > before  # as it must: backward of total needs them
        before = len(step.alive())
    step.backward(total)
    assert step.alive() == []


def test_numbers_of_losses_hold_nothing(step, no_collection) -> None:
    total = 0.0
    for _ in range(3):
        total += step()[1].item()
        assert step.alive() == []


def test_logits_that_are_held_after_backward_are_all_that_is_alive(step, no_collection) -> None:
    logits, loss = step()
    step.backward(loss)
    del loss
    assert step.alive() == [(1, 3, 7)]
    del logits
    assert step.alive() == []


def test_logits_that_are_held_without_backward_hold_their_graph(step, no_collection) -> None:
    logits = step()[0]
    assert len(step.alive()) > 2
    logits = logits.detach()
    assert step.alive() == [(1, 3, 7)]
    del logits
    assert step.alive() == []


def test_an_exception_in_the_middle_of_backward_leaves_only_what_the_loss_holds(step, no_collection) -> None:
    for number in (1, 5, 12, 20):
        count = 0

        def interrupt(seen) -> None:
            nonlocal count
            count += seen.phase == "backward"
            if count == number:  # noqa: B023
                raise KeyboardInterrupt

        loss = step()[1]
        full = len(step.alive())
        try:
            with watching(interrupt):
                step.backward(loss)
        except KeyboardInterrupt:
            pass
        assert count == number
        assert len(step.alive()) <= full
        del loss
        assert step.alive() == []


def test_an_exception_in_forward_leaves_nothing(step, no_collection) -> None:
    def interrupt(seen) -> None:
        if seen.op.name == "softmax_cross_entropy":
            raise KeyboardInterrupt

    try:
        with watching(interrupt):
            step()
    except KeyboardInterrupt:
        pass
    assert step.alive() == []


def test_the_books_of_held_arrays_are_empty_when_all_graphs_are_gone(step, no_collection) -> None:
    gc.collect()
    before = dict(guard._held)
    losses = [step()[1] for _ in range(3)]
    assert len(guard._held) > len(before)
    step.backward(losses.pop())
    del losses
    assert guard._held == before


def test_a_long_sum_of_spent_losses_can_be_dropped() -> None:
    x, total = leaf(1.0), tensor(np.zeros(1))
    for _ in range(50_000):
        y = x * 2
        y.backward(np.ones(1))
        total += y
    del total  # a chain of as many nodes goes without recursion
