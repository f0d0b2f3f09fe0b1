"""Random graphs, built step by step by Hypothesis, beside the naive forward-mode engine of naive.py."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from tests.autograd.naive import Dual, bilinear, combine, curve, gradients, leaf, linear
from tinylm import GraphError, Tensor, no_grad, tensor
from tinylm import functional as F

# Values and slopes are kept below LIMIT, and a program has at most 30 ops of sums over at most 27 terms: an
# error of 30 · 27 · 2⁻⁵³ · LIMIT² < 1e-8 at the worst. A wrong rule changes a gradient by much more.
LIMIT = 300.0
TOLERANCE = 1e-8

shapes = st.sampled_from([(), (1,), (2,), (3,), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (2, 1, 2), (1, 2, 3)])
numbers = st.integers(-8, 8).map(lambda n: n / 4)


class Graphs(RuleBasedStateMachine):
    """Pairs (tensor, dual) that must agree in values always, and in leaf gradients after every backward."""

    pairs = Bundle("pairs")

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[tuple[Tensor, np.ndarray | None]] = []  # the expected gradient, flat; None: none yet
        self.ops = 0
        self.spent: set[int] = set()

    def grow(self, y: Dual, make, *inputs: Tensor):
        """Run the op on tensors too and compare; nothing where the numbers become too large."""
        sizes = [np.abs(y.value).max(initial=0), *(np.abs(s).max(initial=0) for ss in y.slopes.values() for s in ss)]
        if max(sizes) > LIMIT or self.ops > 30:
            return multiple()
        result = make(*inputs)
        np.testing.assert_allclose(result.numpy(), y.value, rtol=0, atol=TOLERANCE)
        assert result.requires_grad == bool(y.slopes)
        self.ops += 1
        if y.slopes:
            y.history |= {self.ops}
        return result, y

    # -- making tensors ------------------------------------------------------------------------------

    @initialize(target=pairs, data=hnp.arrays(np.float64, shapes, elements=numbers))
    def first(self, data):
        return self.new_leaf(data, True)

    @rule(target=pairs, data=hnp.arrays(np.float64, shapes, elements=numbers), wants=st.booleans())
    def new_leaf(self, data, wants):
        x = tensor(data, requires_grad=wants)
        if not wants:
            return x, Dual(data)
        self.leaves.append((x, None))
        return x, leaf(len(self.leaves) - 1, data)

    @rule(target=pairs, a=pairs, b=pairs, kind=st.sampled_from(["add", "subtract", "multiply", "divide"]))
    def binary(self, a, b, kind):
        (x, dx), (y, dy) = a, b
        try:
            np.broadcast_shapes(x.shape, y.shape)
        except ValueError:
            return multiple()
        if kind == "add":
            return self.grow(linear(np.add, dx, dy), lambda x, y: x + y, x, y)
        if kind == "subtract":
            return self.grow(linear(np.subtract, dx, dy), lambda x, y: x - y, x, y)
        if kind == "multiply":
            return self.grow(bilinear(np.multiply, dx, dy), lambda x, y: x * y, x, y)
        safe = combine(2 + dy.value**2, lambda n, i: 2 * dy.value * dy.moved(n, i), dy)  # never near 0
        inverse = curve(lambda v: 1 / v, lambda v: -1 / v**2, safe)
        return self.grow(bilinear(np.multiply, dx, inverse), lambda x, y: x / (2 + y * y), x, y)

    @rule(target=pairs, a=pairs, number=numbers, side=st.sampled_from(["left", "right"]))
    def with_number(self, a, number, side):
        x, dx = a
        if side == "left":
            return self.grow(linear(lambda v: number * v, dx), lambda x: number * x, x)
        shifted = combine(dx.value - number, dx.moved, dx)
        return self.grow(shifted, lambda x: x - number, x)

    @rule(target=pairs, a=pairs, kind=st.sampled_from(["tanh", "exp", "negative"]))
    def unary(self, a, kind):
        x, dx = a
        if kind == "tanh":
            return self.grow(curve(np.tanh, lambda v: 1 - np.tanh(v) ** 2, dx), lambda x: x.tanh(), x)
        if kind == "exp":
            if dx.value.max(initial=0) > 5:
                return multiple()
            return self.grow(curve(np.exp, np.exp, dx), lambda x: x.exp(), x)
        return self.grow(linear(np.negative, dx), lambda x: -x, x)

    @rule(target=pairs, a=pairs, b=pairs)
    def matmul(self, a, b):
        (x, dx), (y, dy) = a, b
        try:
            np.matmul(dx.value, dy.value)
        except ValueError:
            return multiple()
        return self.grow(bilinear(np.matmul, dx, dy), lambda x, y: x @ y, x, y)

    @rule(target=pairs, a=pairs, data=st.data(), kind=st.sampled_from(["sum", "mean"]), keepdims=st.booleans())
    def reduce(self, a, data, kind, keepdims):
        x, dx = a
        axis = data.draw(st.none() | hnp.valid_tuple_axes(x.ndim)) if x.ndim else None
        if kind == "mean" and not x.size:
            return multiple()  # NumPy warns
        f = np.sum if kind == "sum" else np.mean
        y = linear(lambda v: np.asarray(f(v, axis=axis, keepdims=keepdims)), dx)
        return self.grow(y, lambda x: getattr(x, kind)(axis, keepdims), x)

    @rule(target=pairs, a=pairs, data=st.data(), kind=st.sampled_from(["flat", "axes", "index", "spread"]))
    def rearrange(self, a, data, kind):
        x, dx = a
        if kind == "flat":
            shape = data.draw(st.sampled_from([(-1,), (1, *x.shape), (x.size, 1)]))
            return self.grow(linear(lambda v: v.reshape(shape), dx), lambda x: x.reshape(shape), x)
        if kind == "axes":
            axes = tuple(data.draw(st.permutations(range(x.ndim))))
            return self.grow(linear(lambda v: v.transpose(axes), dx), lambda x: x.transpose(axes), x)
        if kind == "spread":
            shape = (data.draw(st.integers(1, 2)), *x.shape)
            if len(shape) > 3:
                return multiple()
            return self.grow(linear(lambda v: np.broadcast_to(v, shape), dx), lambda x: F.broadcast_to(x, shape), x)
        if x.ndim and x.size and data.draw(st.booleans()):
            index = data.draw(hnp.integer_array_indices(x.shape, result_shape=hnp.array_shapes(max_dims=1, max_side=3)))
        else:
            index = data.draw(hnp.basic_indices(x.shape, max_dims=3, allow_newaxis=True, allow_ellipsis=True))
        return self.grow(linear(lambda v: np.asarray(v[index]), dx), lambda x: x[index], x)

    @rule(target=pairs, a=pairs, b=pairs, data=st.data())
    def concatenate(self, a, b, data):
        (x, dx), (y, dy) = a, b
        if not x.ndim:
            return multiple()
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        try:
            np.concatenate([dx.value, dy.value], axis)
        except ValueError:
            return multiple()
        joined = linear(lambda v, w: np.concatenate([v, w], axis), dx, dy)
        return self.grow(joined, lambda x, y: F.concatenate([x, y], axis), x, y)

    @rule(target=pairs, a=pairs, how=st.sampled_from(["detach", "no_grad"]))
    def cut(self, a, how):
        x, dx = a
        if how == "detach":
            return self.grow(Dual(dx.value), lambda x: x.detach(), x)
        with no_grad():
            return self.grow(Dual(dx.value * 2), lambda x: x * 2, x)

    # -- gradients -----------------------------------------------------------------------------------

    @precondition(lambda self: self.leaves)
    @rule(a=pairs, data=st.data(), keep=st.booleans())
    def backward(self, a, data, keep):
        x, dx = a
        dy = data.draw(hnp.arrays(np.float64, x.shape, elements=numbers))
        if not dx.slopes:
            with pytest.raises(GraphError, match="requires_grad=True"):
                x.backward(dy)
            return
        if dx.history & self.spent:
            if max(dx.history) in self.spent:  # the root itself: refused before anything is added up
                with pytest.raises(GraphError, match="keep_graph=True"):
                    x.backward(dy)
            return
        x.backward(dy, keep_graph=keep)
        for number, gradient in gradients(dx, dy).items():
            tensor_, sum_ = self.leaves[number]
            self.leaves[number] = (tensor_, gradient if sum_ is None else sum_ + gradient)
        if not keep:
            self.spent |= dx.history

    @precondition(lambda self: self.leaves)
    @rule(data=st.data())
    def zero(self, data):
        number = data.draw(st.integers(0, len(self.leaves) - 1))
        x, _ = self.leaves[number]
        x.grad = None
        self.leaves[number] = (x, None)

    @invariant()
    def leaf_gradients_agree(self):
        for x, expected in self.leaves:
            if x.grad is None:
                assert expected is None or not expected.any()
            else:
                found = x.grad.numpy().reshape(-1)
                np.testing.assert_allclose(found, 0 if expected is None else expected, rtol=0, atol=TOLERANCE * 100)


TestGraphs = Graphs.TestCase
TestGraphs.settings = settings(stateful_step_count=30, max_examples=4 * settings.default.max_examples)
