"""The walk through backward: what arrives at a node is what was sent, and a wrong derivative is found where it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinylm
from tests.ops.cases import CASES
from tests.tracing.conftest import small
from tinylm import apply, tensor
from tinylm import functional as F
from tinylm.ops import keep, op, op_named
from tinylm.tracing import NotInTrace
from tinylm.tracing.settings import decoded, encoded, setting_text


def step_of(model, **settings):
    ids = np.array([[1, 5, 2, 5, 7, 3]])
    with tinylm.trace(model, **settings) as trace:
        _, loss = model(ids[:, :-1], ids[:, 1:])
        loss.backward()
    return trace


@pytest.fixture(scope="module")
def stepped():
    return step_of(small(dropout=0.0))


def test_the_walk_has_every_node_newest_first(stepped):
    nodes = stepped.walk()
    assert [node.backward.number for node in nodes] == [step.number for step in stepped.backward]
    assert [node.forward.node for node in nodes] == sorted((node.forward.node for node in nodes), reverse=True)
    assert nodes[0].arrived == ()
    assert all(node.arrived for node in nodes[1:])


def test_what_arrives_is_the_sum_of_what_was_sent(stepped):
    by_backward = {node.backward.number: node for node in stepped.walk()}
    joined = 0
    for node in list(by_backward.values())[1:]:
        sent = [by_backward[number].gradients[name[1:]] for number, name in node.arrived]
        joined += len(sent) > 1
        np.testing.assert_allclose(node.dy, np.sum(sent, axis=0), rtol=1e-5, atol=1e-7)
    assert joined >= 4  # each block adds its input twice


@pytest.mark.parametrize("kernels", ["reference", "fast"])
@pytest.mark.parametrize(
    "shape", [{}, {"norm": "rms", "position": "rope", "mlp": "swiglu", "n_kv_head": 1}, {"dropout": 0.3}]
)
def test_every_node_of_a_model_agrees_with_its_numerical_derivative(shape, kernels):
    for node in step_of(small(**shape), kernels=kernels).walk():
        found = node.check()
        assert found.ok, found
        assert [part.name for part in found.inputs] == list(node.gradients)


@pytest.mark.parametrize("kernels", ["reference", "fast"])
def test_a_query_that_sees_one_key_agrees_though_its_gradient_is_only_rounding(kernels):
    model = small(n_embd=64)
    with tinylm.trace(model, kernels=kernels) as trace:
        model(np.array([[4]]), np.array([[7]]))[1].backward()
    assert all(node.check().ok for node in trace.walk())


def test_a_check_survives_saving(stepped, tmp_path):
    stepped.save(tmp_path / "a.trace")
    nodes = tinylm.trace.load(tmp_path / "a.trace").walk()
    assert [repr(node.check()) for node in nodes] == [repr(node.check()) for node in stepped.walk()]


INDICES = [
    (slice(1, None), 2), (Ellipsis, slice(None, None, -1)), (None, [0, 2, 2]), np.array([[0, 1], [3, 3]]),
    (np.array([0, 3, 3]), slice(0, 2)), np.arange(20).reshape(4, 5) % 3 == 0, (np.array([0, 1]), np.array([4, 4])), 2,
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_picked_element_of_any_kind_is_checked_after_saving(index, tmp_path):
    with tinylm.trace() as trace:
        y = tensor(np.linspace(-1, 1, 20).reshape(4, 5), requires_grad=True)[index]
        (y * y).sum().backward()
    trace.save(tmp_path / "a.trace")
    for node in tinylm.trace.load(tmp_path / "a.trace").walk():
        assert node.check().ok


SIMPLE = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just(...)
SLICES = st.builds(slice, *[st.none() | st.integers(-3, 3)] * 3)
SETTINGS = st.recursive(
    SIMPLE | SLICES, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
)


@given(SETTINGS)
def test_a_setting_comes_back_from_json(value):
    import json

    assert decoded(json.loads(json.dumps(encoded(value)))) == value
    assert isinstance(setting_text(encoded(value)), str)


@pytest.mark.parametrize("value", [np.array([[1, 2]]), np.array([True, False]), np.zeros((0, 2), np.int32)], ids=str)
def test_an_index_array_comes_back_from_json(value):
    back = decoded(encoded(value))
    assert back.dtype == value.dtype
    assert np.array_equal(back, value)
    assert decoded(encoded(np.dtype("float32"))) == np.float32
    with pytest.raises(ValueError, match="cannot hold"):
        decoded(encoded(object()))


@pytest.mark.parametrize("name", [name for name in CASES if op_named(name).differentiable])
def test_the_check_agrees_with_every_op(name):
    @settings(max_examples=12)
    @given(CASES[name].examples)
    def agrees(example):
        with tinylm.trace() as trace:
            y = CASES[name].function(
                *(tensor(a, requires_grad=a.dtype.kind == "f") for a in example.arrays), **example.settings
            )
            if y.requires_grad:
                y.backward(tensor(np.linspace(-1, 1.5, math.prod(y.shape)).reshape(y.shape)))
        for node in trace.walk() if y.requires_grad else ():
            assert node.check().ok, node.check()

    agrees()


# -- wrong derivatives -----------------------------------------------------------------------------------


@op
def crooked(xp, a, b):
    """A product.

    a: (..., N)   b: (N,)   →   y: (..., N)
    """
    return a * b, keep(a=a, b=b)


def wrong_by_one(xp, dy, *, a, b):
    """One number of db is wrong."""
    db = (dy * a).sum(axis=tuple(range(a.ndim - 1)))
    db[-1] += 0.01
    return dy * b, db


def wrong_factor(xp, dy, *, a, b):
    """da is a thousandth too large."""
    return dy * b * 1.001, dy * a


def wrong_nan(xp, dy, *, a, b):
    """da has a NaN."""
    da = dy * b
    da[..., 2] = np.nan
    return da, dy * a


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [5, 300])  # number by number, and along directions
@pytest.mark.parametrize(
    ("wrong", "argument", "index"),
    [
        (wrong_by_one, "b", lambda size: (size - 1,)),
        (wrong_factor, "a", None),
        (wrong_nan, "a", lambda size: (None, 2)),
    ],
)
def test_a_wrong_derivative_is_named_at_its_node_argument_and_place(wrong, argument, index, size, dtype):
    crooked.backward(wrong)
    rng = np.random.default_rng(1)
    a, b = (tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in ((3, size), (size,)))
    with tinylm.trace() as trace:
        (apply(crooked, F.gelu(a), b * 2).exp() * 0.1).sum().backward()
    nodes = trace.walk()
    if wrong is wrong_nan:  # what comes after it cannot be compared
        (after,) = (node for node in nodes if node.backward.op == "gelu")
        with pytest.raises(ValueError, match=r"3 of the numbers of dy are not finite.*find\('nan'\)"):
            after.check()
        nodes.remove(after)
    bad = [node for node in nodes if not node.check().ok]
    assert [node.backward.op for node in bad] == ["crooked"]
    found = bad[0].check()
    assert [part.name for part in found.inputs if not part.ok] == [argument]
    if index is not None:
        assert all(want is None or want == got for want, got in zip(index(size), found[argument].index, strict=True))
    assert "DIFFERS" in str(found)
    assert f"d{argument}: DIFFERS" in str(found)


def test_a_check_says_when_values_were_only_summarised():
    trace = step_of(small(), values="summary")
    with pytest.raises(ValueError, match=r"only summarised in this trace.*memory"):
        trace.walk()[3].check()


def test_a_check_says_when_the_op_is_not_there(monkeypatch):
    from tinylm.ops import registry

    crooked.backward(wrong_factor)
    with tinylm.trace() as trace:
        x = tensor(np.ones(3), requires_grad=True)
        apply(crooked, x, x).sum().backward()
    monkeypatch.delitem(registry._OPS, "crooked")
    with pytest.raises(ValueError, match=r"no op 'crooked' is registered here; import the module"):
        trace.walk()[1].check()


def test_a_walk_without_backward_says_what_to_do():
    with tinylm.trace() as trace:
        y = tensor([1.0], requires_grad=True) * 2
    with pytest.raises(NotInTrace, match=r"loss.backward\(\)"):
        trace.walk()
    with tinylm.trace() as trace:
        y.sum().backward()
    with pytest.raises(ValueError, match="its forward is not in the trace"):
        trace.walk()


def test_the_text_of_a_node_says_where_gradients_came_from_and_went(stepped):
    node = next(node for node in stepped.walk() if node.backward.scope == "ln_f")
    text = node.text()
    assert f"dy is {node.arrived[0][1]} of step {node.arrived[0][0]}" in text
    assert "dgain goes to ln_f.weight.grad" in text
    assert f"dx goes to the node of step {node.forward.sources['x']}" in text
    assert node.equation in text
