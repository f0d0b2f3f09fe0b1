"""What lives how long: arrays that backward needs, intermediate results, the graph behind a loss."""

import gc
import tracemalloc
import weakref

import numpy as np

from tests.autograd.checks import leaf
from tinylm import GPT, GPTConfig, no_grad, tensor, watching


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
