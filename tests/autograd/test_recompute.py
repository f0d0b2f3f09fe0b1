"""Recomputation changes what lives in memory, and no bit of a loss or a gradient."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.autograd.checks import grad_of, leaf
from tests.gpt.variants import VARIANTS, batch, model
from tinylm import GraphError, Recorder, enable_grad, no_grad, recompute, tensor, use_kernels, watching
from tinylm import functional as F
from tinylm.autograd import GradientError, grad_enabled, scoped
from tinylm.backend import stream
from tinylm.ops import keep, op


def bits(x) -> bytes:
    return x.numpy().tobytes()


def gradients(module) -> dict[str, bytes | None]:
    return {name: None if p.grad is None else bits(p.grad) for name, p in module.named_parameters()}


# -- the same bits ---------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    dropout=st.sampled_from([0.0, 0.3]),
    dtype=st.sampled_from([np.float32, np.float64]),
    accumulate=st.integers(1, 3),
    frozen=st.sets(st.sampled_from(["wte", "wpe", "h.0", "h.1", "ln_f"])),
    seed=st.integers(0, 1000),
)
def test_a_gpt_that_recomputes_has_the_same_bits(variant, dropout, dtype, accumulate, frozen, seed) -> None:
    found = []
    for again in (False, True):
        gpt = model(variant, seed=seed, dtype=dtype, spread=0.3, dropout=dropout)
        gpt.recompute = again
        for name, p in gpt.named_parameters():
            p.requires_grad = not any(name.startswith(part) for part in frozen)
        losses, streams = [], []
        for number in range(accumulate):
            _, loss = gpt(*batch(seed + number))
            streams.append(gpt.streams.state())
            losses.append(bits(loss))
            if loss.requires_grad:
                loss.backward(1 / accumulate)
            streams.append(gpt.streams.state())
        found.append((losses, streams, gradients(gpt)))
        assert streams[0] == streams[1], "backward leaves the streams where they stood"
    assert found[0] == found[1]


UNARY = {"exp": lambda x: (x * 0.1).exp(), "tanh": lambda x: x.tanh(), "sum": lambda x: x.sum(0), "gelu": F.gelu}
BINARY = {"add": lambda x, y: x + y, "multiply": lambda x, y: x * y, "subtract": lambda x, y: x - y}


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_any_part_of_any_graph_can_be_recomputed(data, seed) -> None:
    """Programs over a growing list of values; a middle part of one, nested or not, sees the rest as inputs or not."""
    count = data.draw(st.integers(1, 9))
    program = [
        (
            data.draw(st.sampled_from([*UNARY, *BINARY])),
            data.draw(st.integers(0, number + 2)),
            data.draw(st.integers(0, number + 2)),
        )
        for number in range(count)
    ]
    start = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(start + 1, count))
    inner = data.draw(st.none() | st.tuples(st.integers(start, end - 1), st.integers(start + 1, end)))
    given_, wanted = data.draw(st.sets(st.integers(0, start + 2))), data.draw(st.lists(st.booleans(), min_size=3))

    def run(values, first, last, nested, again):
        for number in range(first, last):
            if nested and number == nested[0] < nested[1]:
                return run(region(values, *nested, None, again), nested[1], last, None, again)
            name, i, j = program[number]
            values = [*values, UNARY[name](values[i]) if name in UNARY else BINARY[name](values[i], values[j])]
        return values

    def region(values, first, last, nested, again):
        """All that the part computes is put into one result and taken apart again, for a region has one."""
        places = sorted(place for place in given_ if place < len(values))

        def part(*arguments):
            mine = list(values)  # what is not given is used from outside
            for place, argument in zip(places, arguments, strict=True):
                mine[place] = argument
            made = run(mine, first, last, nested, again)[len(values) :]
            return F.stack([F.broadcast_to(v, (3, 2)) for v in made])

        inputs = [values[place] for place in places]
        results = recompute(part, *inputs) if again else part(*inputs)
        return [*values, *(results[k] for k in range(last - first))]

    found = []
    for again in (False, True):
        rng = np.random.default_rng(seed)
        leaves = [tensor(rng.standard_normal((3, 2)), bool(w)) for w in wanted[:3]]
        leaves += [tensor(rng.standard_normal((3, 2)), True) for _ in range(3 - len(leaves))]
        before = run(leaves, 0, start, None, again)
        values = run(region(before, start, end, inner, again), end, count, None, again)
        total = sum(v.sum() for v in values)
        if total.requires_grad:
            total.backward()
        found.append([bits(total), *(None if x.grad is None else bits(x.grad) for x in leaves)])
    assert found[0] == found[1]


def test_an_input_that_is_used_inside_and_outside_adds_up_in_the_same_order() -> None:
    results = []
    for again in (False, True):
        rng = np.random.default_rng(0)
        w = tensor(rng.standard_normal(1000).astype(np.float32), True)
        x = w * 1.1
        y = recompute(lambda x: (x * x).exp() - x * 3.3, x) if again else (x * x).exp() - x * 3.3
        (y * 0.7 + x * 1.7).sum().backward()
        results.append(bits(w.grad))
    assert results[0] == results[1]


def test_a_region_in_a_region() -> None:
    gpt, twin = (model("llama", dropout=0.2, spread=0.3) for _ in "ab")
    x, positions = np.random.default_rng(0).standard_normal((2, 5, 8)), np.arange(5)
    rngs = [gpt.streams["dropout"]]
    inner = gpt.h[1]
    y = recompute(lambda x: recompute(inner, gpt.h[0](x, positions), positions, rngs=rngs), tensor(x), rngs=rngs)
    z = twin.h[1](twin.h[0](tensor(x), positions), positions)
    assert bits(y) == bits(z)
    for result in (y, z):
        result.sum().backward()
    assert gradients(gpt) == gradients(twin)
    assert gpt.streams.state() == twin.streams.state()


def test_a_graph_that_is_kept_can_be_used_again() -> None:
    found = []
    for again in (False, True):
        gpt = model("gpt2", dropout=0.3)
        gpt.recompute = again
        _, loss = gpt(*batch())
        loss.backward(keep_graph=True)
        loss.backward(keep_graph=True)
        loss.backward()
        found.append((gradients(gpt), gpt.streams.state()))
        with pytest.raises(GraphError, match=r"backward\(keep_graph=True\)"):
            loss.backward()
    assert found[0] == found[1]


def test_a_graph_that_is_kept_is_not_made_again() -> None:
    calls, x = [], leaf(1.0)
    y = recompute(lambda x: calls.append(0) or x * x, x)
    y.backward(np.ones(1), keep_graph=True)
    y.backward(np.ones(1))
    assert len(calls) == 2


def test_two_losses_over_one_region() -> None:
    x = leaf(1.0, 2.0)
    y = recompute(lambda x: x * x, x)
    (y * 2).sum().backward(keep_graph=True)
    (y * 3).sum().backward()
    assert grad_of(x) == [10.0, 20.0]
    with pytest.raises(GraphError, match="freed the graph"):
        (y * 1).sum().backward()


def test_every_device(device) -> None:
    x = tensor([[1.0, -2.0], [np.nan, np.inf]], True, dtype=np.float64, device=device)
    y = recompute(lambda x: F.dropout(x * 2, 0.5, rng=rng), x, rngs=[rng := stream(3, "dropout")])
    y.sum().backward()
    scale = stream(3, "dropout").random((2, 2), dtype=np.float32) >= 0.5
    np.testing.assert_array_equal(x.grad.numpy(), 4.0 * scale)


# -- what it keeps ---------------------------------------------------------------------------------------


def test_between_forward_and_backward_nothing_of_the_inside_is_alive() -> None:
    inside, alive = [], []

    def block(x):
        y = x.exp()
        inside.append(weakref.ref(y.data))
        return y.tanh()

    gc.disable()
    try:
        x = leaf(0.1, 0.2)
        y = x
        for _ in range(5):
            y = recompute(block, y)
        alive.append(sum(ref() is not None for ref in inside))

        def look(step) -> None:
            if step.phase == "backward":
                alive.append(sum(ref() is not None for ref in inside))

        loss = y.sum()
        del y
        with watching(look):
            loss.backward()
    finally:
        gc.enable()
    assert len(inside) == 10
    assert alive[0] == 0
    assert max(alive) == 1
    assert not any(ref() for ref in inside)


def test_a_region_that_is_dropped_needs_no_garbage_collection() -> None:
    gc.disable()
    try:
        x, w = leaf(1.0), leaf(2.0)
        y = x * 3
        ref = weakref.ref(y.data)
        z = recompute(lambda x: x * w, y)
        del y
        assert ref() is not None
        del z
        assert ref() is None
        assert x.data.flags.writeable
        assert w.data.flags.writeable
    finally:
        gc.enable()


# -- when it records -------------------------------------------------------------------------------------


def test_parameters_inside_get_gradients_though_no_input_wants_one() -> None:
    w = leaf(3.0)
    recompute(lambda x: x * w, tensor([2.0], dtype=np.float64)).backward(np.ones(1))
    assert grad_of(w) == [2.0]


def test_a_result_of_another_tensor_that_wants_a_gradient_can_be_used_inside() -> None:
    w, x = leaf(3.0), leaf(2.0)
    scale = w * w
    (recompute(lambda x: x * scale, x) + scale).sum().backward()
    assert grad_of(w) == [6.0 * 2 + 6.0]
    assert grad_of(x) == [9.0]


def test_without_recording_the_function_just_runs() -> None:
    calls, x = [], leaf(1.0)

    def f(x):
        calls.append(grad_enabled())
        return x * 2

    with no_grad():
        y = recompute(f, x)
    assert not y.requires_grad
    assert y.node is None
    assert calls == [False]


def test_a_function_of_what_wants_no_gradient_is_not_run_again() -> None:
    calls = []
    y = recompute(lambda x: calls.append(0) or x * 2, tensor([1.0]))
    assert not y.requires_grad
    assert len(calls) == 1
    x = leaf(1.0)
    assert recompute(lambda x: x, x) is x
    z = x * 2
    assert recompute(lambda x: x, z) is z


def test_backward_inside_no_grad() -> None:
    x = leaf(3.0)
    y = recompute(lambda x: x * x, x)
    with no_grad():
        y.backward(np.ones(1))
    assert grad_of(x) == [6.0]


def test_a_function_may_switch_recording_itself() -> None:
    x = leaf(3.0)

    def f(x):
        with no_grad():
            scale = x * 2
        return x * scale

    recompute(f, x).backward(np.ones(1))
    assert grad_of(x) == [6.0]
    with no_grad(), enable_grad():
        y = recompute(f, x)
    y.backward(np.ones(1))
    assert grad_of(x) == [12.0]


# -- what goes wrong -------------------------------------------------------------------------------------


def test_an_input_that_was_written_since_forward_is_told() -> None:
    for write in ("input", "weight"):
        x, w = leaf(1.0), leaf(2.0)
        y = recompute(lambda x: x + w, x)  # noqa: B023
        with no_grad():
            (x if write == "input" else w)[...] = 5.0
        with pytest.raises(GraphError, match=r"recompute: an array of shape \(1,\).* was written since forward"):
            y.backward(np.ones(1))
        assert x.grad is None
        assert w.grad is None


def test_an_array_that_a_region_needs_is_read_only_until_backward() -> None:
    x, positions = leaf(1.0), np.arange(1)
    y = recompute(lambda x, positions: x * positions, x, positions)
    for array in (x.data, positions, y.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3
    y.backward(np.ones(1))
    x.data[0] = positions[0] = y.data[0] = 3


def test_a_weight_with_a_new_array_is_told() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = recompute(lambda x: x * w, x)
    w.data = w.data * 2
    with pytest.raises(GraphError, match="replaced since forward"):
        y.backward(np.ones(1))


def frozen_weight(gpt) -> None:
    with no_grad():
        gpt.h[0].mlp.c_fc.weight[0, 0] = 1.0


@pytest.mark.parametrize("change", [frozen_weight, lambda gpt: gpt.eval()])
def test_a_second_run_that_gives_something_else_is_told(change) -> None:
    gpt = model("gpt2", dropout=0.3)
    gpt.recompute = True
    for p in gpt.h[0].parameters():
        p.requires_grad = False
    _, loss = gpt(*batch())
    change(gpt)
    with pytest.raises(GraphError, match="another result than the first"):
        loss.backward()


def test_a_generator_that_was_not_named_is_told() -> None:
    x, rng = leaf(*np.arange(1.0, 65.0)), stream(1, "dropout")
    y = recompute(lambda x: F.dropout(x, 0.5, rng=rng), x)
    with pytest.raises(GraphError, match=r"recompute\(\.\.\., rngs=\[\.\.\.\]\)"):
        y.sum().backward()


def test_a_second_run_may_round_otherwise() -> None:
    x, turns = leaf(1.0, 3.0), []

    def f(x):
        turns.append(0)
        return x * (1 / 3) if len(turns) == 1 else x / 3 * (1 + 1e-15)

    recompute(f, x).sum().backward()
    assert grad_of(x) == pytest.approx([1 / 3] * 2)


def test_a_function_whose_second_result_wants_no_gradient_is_told() -> None:
    x, w = tensor([1.0]), leaf(2.0)
    y = recompute(lambda x: x * w, x)
    w.requires_grad = False
    with pytest.raises(GraphError, match="another result than the first"):
        y.backward(np.ones(1))


def test_a_function_that_gives_no_tensor_is_told() -> None:
    with pytest.raises(TypeError, match="must return one tensor, it returned a tuple"):
        recompute(lambda x: (x, x), leaf(1.0))


def test_an_error_in_the_first_run_leaves_everything_as_without_recomputing() -> None:
    x, rng, other = leaf(1.0), stream(1, "dropout"), stream(1, "dropout")

    def f(x):
        rng.random()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        recompute(f, x, rngs=[rng])
    other.random()
    assert rng.bit_generator.state == other.bit_generator.state
    assert x.data.flags.writeable


def test_after_an_error_in_the_second_run_backward_can_be_tried_again() -> None:
    x, rng, fail = leaf(*np.ones(8)), stream(1, "dropout"), []

    def f(x):
        y = F.dropout(x * 2, 0.5, rng=rng)
        if fail:
            raise ZeroDivisionError
        return y

    y = recompute(f, x, rngs=[rng])
    state = rng.bit_generator.state
    fail.append(1)
    with pytest.raises(ZeroDivisionError):
        y.backward(np.ones(8))
    assert rng.bit_generator.state == state
    assert grad_enabled()
    fail.clear()
    y.backward(np.ones(8))
    np.testing.assert_array_equal(x.grad.numpy() * x.data, y.data)


def test_a_wrong_backward_inside_is_still_told() -> None:
    @op
    def wrong(xp, x):
        return x * 2, keep()

    @wrong.backward
    def wrong_backward(xp, dy):
        return dy[:1]

    from tinylm import apply

    with pytest.raises(GradientError, match=r"wrong: dx has shape \(1,\)"):
        recompute(lambda x: apply(wrong, x), leaf(1.0, 2.0)).sum().backward()


# -- who watches -----------------------------------------------------------------------------------------


def test_watchers_of_backward_see_the_second_run() -> None:
    x = leaf(1.0, 2.0)
    with watching(Recorder()) as first, scoped("h.0"):
        y = recompute(lambda x: (x * x).exp(), x).sum()
    with watching(Recorder()) as second:
        y.backward()
    names = [[f"{step.phase} {step.op.name}" for step in seen.steps] for seen in (first, second)]
    assert names[0] == ["forward multiply", "forward exp", "forward sum"]
    assert names[1] == ["backward sum", "forward multiply", "forward exp", "backward exp", "backward multiply"]
    assert [step.scope for step in second.steps] == ["h.0"] * 5
    again = {step.number for step in second.steps if step.phase == "forward"}
    assert again == {step.number for step in second.steps[3:]}
    assert not again & {step.number for step in first.steps}


def test_the_second_run_takes_the_kernels_of_the_first() -> None:
    seen = []

    @op
    def twofold(xp, x):
        seen.append("reference")
        return x * 2, keep()

    @twofold.backward
    def twofold_backward(xp, dy):
        return dy * 2

    def fast(xp, x):
        seen.append("fast")
        return x * 2, keep()

    twofold.kernel("numpy", forward=fast, backward=twofold_backward)
    from tinylm import apply

    x = leaf(1.0)
    with use_kernels("reference"):
        y = recompute(lambda x: apply(twofold, x), x)
    y.backward(np.ones(1))
    assert seen == ["reference", "reference"]
