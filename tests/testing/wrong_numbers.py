"""Code that breaks each law of numbers, as people break it: law → what is wrong → the adapter."""

import itertools
from dataclasses import replace

import numpy as np

from tinylm.testing import Differentiable, LanguageModel, Trainer
from tinylm.testing.adapters import value_library


class Value:
    """A right little engine of scalars; the wrong ones below differ in one place each."""

    overwrites = recurses = keeps = False

    def __init__(self, data, came_from=()):
        self.data, self.came_from, self.grad = data, came_from, 0.0

    def _new(self, data, *came_from):
        return type(self)(data, came_from)

    def _other(self, other):
        return other if isinstance(other, Value) else self._new(other)

    def __add__(self, other):
        other = self._other(other)
        return self._new(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        other = self._other(other)
        return self._new(self.data * other.data, (self, other.data), (other, self.data))

    def __pow__(self, n):
        return self._new(self.data**n, (self, n * self.data ** (n - 1) if n else 0.0))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -self._other(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def _order(self):
        if self.recurses:
            seen, order = set(), []

            def visit(node):
                if node not in seen:
                    seen.add(node)
                    for parent, _ in node.came_from:
                        visit(parent)
                    order.append(node)

            visit(self)
            return order
        order, todo, seen = [], [(self, False)], set()
        while todo:
            node, done = todo.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo += [(node, True), *((parent, False) for parent, _ in node.came_from)]
        return order

    def backward(self):
        order = self._order()
        if not self.keeps:
            for node in order:
                if node.came_from:
                    node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.came_from:
                parent.grad = (0.0 if self.overwrites else parent.grad) + slope * node.grad


class Overwrites(Value):
    overwrites = True


class Recurses(Value):
    recurses = True


class Keeps(Value):
    keeps = True


class TurnedRound(Value):
    __rsub__ = Value.__sub__


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def naive_softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def norm(x, *, centre=True, scale=True, ddof=0, eps=1e-5):
    y = x - x.mean(axis=-1, keepdims=True) if centre else x
    return y / np.sqrt(x.var(axis=-1, keepdims=True, ddof=ddof) + eps) if scale else y


def attention(q, k, v, mask=True, bias=0.0, shares=softmax):
    scores = q @ k.T / np.sqrt(q.shape[-1]) + bias * np.arange(len(k))
    return shares(np.where(np.tri(len(q), dtype=bool), scores, -np.inf) if mask else scores) @ v


TABLE = np.random.default_rng(0).normal(size=(5, 3))


def bag(ids):
    """Logits of a model that sees the mean of all ids up to its own."""
    return TABLE[ids].cumsum(axis=1) / np.arange(1, ids.shape[1] + 1)[:, None] @ TABLE.T


def bag_in_pieces(ids, cuts, start_over=False):
    whole = bag(ids)
    if not start_over:
        return whole
    return np.concatenate([bag(part) for part in np.split(ids, cuts, axis=1)], axis=1)


def rewritten(f):
    """The function, giving its results in one array for each shape, written over again and again."""
    kept = {}

    def call(*arrays):
        y = f(*arrays)
        result = kept.setdefault(np.shape(y), np.empty(np.shape(y)))
        result[...] = y
        return result

    return call


MODEL = LanguageModel(bag, 5, 6, bag_in_pieces)


def regression(momentum=0.9, share=True, forgets=False, dice=None):
    """Least squares with momentum, whose state is (weights, velocity)."""

    def gradient(w, batch):
        x, y = batch
        return x.T @ (x @ w - y) / len(x)

    def step(state, batch):
        w, velocity = state
        velocity = momentum * velocity + gradient(w, batch)
        return w - 0.1 * velocity + (0 if dice is None else 0.01 * next(dice)), velocity

    def batch(seed):
        rng = np.random.default_rng(seed)
        return rng.normal(size=(4, 2)), rng.normal(size=4)

    return Trainer(
        new=lambda: (np.zeros(2), np.zeros(2)),
        gradients=lambda s, batches: [sum(gradient(s[0], b) for b in batches) / (len(batches) if share else 1)],
        step=step,
        parameters=lambda s: [s[0]],
        batch=batch,
        join=lambda batches: tuple(np.concatenate(part) for part in zip(*batches, strict=True)),
        saved=lambda s: s,
        restored=lambda s: (s[0], np.zeros(2)) if forgets else s,
    )


def clip(gradients, max_norm, each=False, told=1.0):
    norms = [float(np.sqrt((g * g).sum())) for g in gradients]
    whole = float(np.sqrt(sum(n * n for n in norms)))
    scales = [min(1.0, max_norm / (n + 1e-6)) for n in (norms if each else [whole] * len(norms))]
    return [g * s for g, s in zip(gradients, scales, strict=True)], told * whole


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def cross_entropy(logits, targets, over_all=False, base=np.e, logs=log_softmax):
    kept = targets != -100
    rows = logs(logits)[np.arange(len(targets)), np.where(kept, targets, 0)]
    return -(rows * kept).sum() / (len(targets) if over_all else kept.sum()) / np.log(base)


def product(dy, a, b):
    return dy * b, dy * a  # not summed over what was broadcast


RIGHT = {
    "engine": value_library(Value),
    "gradient": Differentiable(lambda x: np.maximum(x, 0) * x, lambda dy, x: [2 * dy * np.maximum(x, 0)]),
    "softmax": softmax,
    "rows": norm,
    "layer_norm": norm,
    "attention": attention,
    "model": MODEL,
    "training": regression(),
    "sgd": lambda parameters, gradients: [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)],
    "clipping": clip,
    "loss": cross_entropy,
}

WRONG = {
    "gradients_are_numerical": {
        "half the slope beside a pole, in float32": Differentiable(
            lambda x: (1 / (x * x)).astype(np.float32), lambda dy, x: [-dy / x**3]
        ),
        "half the slope of a steep step, in float32": Differentiable(
            lambda x: np.tanh(20 * x).astype(np.float32), lambda dy, x: [10 * dy / np.cosh(20 * x) ** 2]
        ),
        "slope 1 of a sign away from its jump": Differentiable(np.sign, lambda dy, x: [dy * (abs(x) > 1)]),
        "half the slope": Differentiable(lambda x: x * x, lambda dy, x: [dy * x]),
        "a slope at a kink that no side has": Differentiable(
            lambda x: np.maximum(x, 0), lambda dy, x: [dy * (x > 0) + 2 * dy * (x == 0)]
        ),
        "NaN at 0": Differentiable(abs, lambda dy, x: [dy * x / abs(x)]),
        "no gradient": Differentiable(lambda x: 3 * x, lambda dy, x: [None]),
        "one gradient for two arguments": Differentiable(lambda a, b: a + b, lambda dy, a, b: [dy], 2),
    },
    "gradients_have_the_shapes_of_operands": {
        "broadcasting not summed back": Differentiable(lambda a, b: a * b, product, 2),
        "sums kept as axes": Differentiable(lambda x: x.sum(), lambda dy, x: [dy * np.ones((1, *x.shape))]),
    },
    "gradients_add_up": {"dy squared": Differentiable(lambda x: x, lambda dy, x: [dy * dy])},
    "expressions_have_exact_gradients": {"= for +=": value_library(Overwrites)},
    "plain_numbers_mix_in": {"2 - x is x - 2": value_library(TurnedRound)},
    "deep_graphs_work": {"the graph is walked by recursion": value_library(Recurses)},
    "backward_twice_adds": {"gradients left on the way": value_library(Keeps)},
    "softmax_sums_to_one": {
        "the maximum is not subtracted": naive_softmax,
        "over the wrong axis": lambda x: softmax(x, axis=0),
        "one row dropped": lambda x: softmax(x)[:1],
        "what cannot come is a little likely": lambda x: softmax(np.maximum(x, -20)),
    },
    "softmax_ignores_shifts": {"shares of the numbers": lambda x: abs(x) / abs(x).sum(axis=-1, keepdims=True)},
    "softmax_keeps_order": {
        "twice as hot": lambda x: softmax(x / 2),
        "all alike": lambda x: np.full(x.shape, 1 / x.shape[-1]),
        "turned round": lambda x: softmax(np.where(np.isfinite(x), -x, x)),
    },
    "rows_do_not_see_each_other": {
        "statistics over the batch": lambda x: x - np.cumsum(x, axis=0),
        "a place for each row": lambda x: x + np.arange(3)[:, None],
    },
    "layer_norm_centres_and_scales": {
        "not centred": lambda x: norm(x, centre=False),
        "divided by the variance of a sample": lambda x: norm(x, ddof=1),
        "no eps": lambda x: norm(x, eps=0.0),
        "rows of one number become ±1": lambda x: np.where(np.ptp(x, axis=-1, keepdims=True), norm(x), [1, -1, 1, -1]),
    },
    "layer_norm_ignores_scale": {"not divided": lambda x: norm(x, scale=False)},
    "layer_norm_ignores_shifts": {"not centred": lambda x: norm(x, centre=False)},
    "attention_sees_no_future": {
        "no mask": lambda q, k, v: attention(q, k, v, mask=False),
        "a little of the next": lambda q, k, v: attention(q, k, v) + 1e-9 * np.roll(v, -1, axis=0),
    },
    "attention_averages_values": {
        "weights that sum to two": lambda q, k, v: 2 * attention(q, k, v),
        "the first sees all": lambda q, k, v: attention(q, k, v, mask=False),
    },
    "attention_of_equal_keys_is_the_mean": {"later keys count more": lambda q, k, v: attention(q, k, v, bias=0.5)},
    "logits_are_finite": {
        "NaN for the last id": replace(MODEL, logits=lambda ids: np.where(ids[..., None] == 4, np.nan, bag(ids))),
        "one logit too few": replace(MODEL, logits=lambda ids: bag(ids)[..., :-1]),
    },
    "model_sees_no_future": {
        "the mean of all": replace(MODEL, logits=lambda ids: bag(ids) + 1e-9 * ids.mean()),
        "the mean of all, written into one array": replace(
            MODEL, logits=rewritten(lambda ids: bag(ids) + 1e-9 * ids.mean())
        ),
    },
    "model_keeps_the_order_of_the_batch": {
        "rows have places": replace(MODEL, logits=lambda ids: bag(ids) + np.arange(len(ids))[:, None, None])
    },
    "model_on_a_row_alone": {
        "less the mean of the batch": replace(MODEL, logits=lambda ids: bag(ids) - bag(ids).mean(axis=0))
    },
    "padding_changes_nothing": {
        "counted from the end": replace(MODEL, logits=lambda ids: bag(ids) + np.arange(ids.shape[1])[::-1, None])
    },
    "cached_equals_uncached": {
        "the cache is forgotten": replace(MODEL, cached=lambda ids, cuts: bag_in_pieces(ids, cuts, start_over=True))
    },
    "accumulation_equals_one_batch": {"summed, not averaged": regression(share=False)},
    "resume_equals_going_on": {"momentum is lost": regression(forgets=True)},
    "training_repeats_itself": {"dice that go on": regression(dice=itertools.count())},
    "zero_gradient_moves_nothing": {"weights decay": lambda parameters, gradients: [0.9 * p for p in parameters]},
    "clipping_bounds_the_norm": {
        "each array alone": lambda gradients, max_norm: clip(gradients, max_norm, each=True),
        "never": lambda gradients, max_norm: (gradients, clip(gradients, max_norm)[1]),
        "always to the norm": lambda gradients, max_norm: clip([1e6 * g for g in gradients], max_norm),
        "another norm told": lambda gradients, max_norm: clip(gradients, max_norm, told=0.5),
    },
    "loss_ignores_ignored_targets": {
        "mean over all": lambda x, t: cross_entropy(x, t, over_all=True),
        "log of softmax": lambda x, t: cross_entropy(x, t, logs=lambda x: np.log(softmax(x))),
    },
    "loss_of_equal_logits": {"in bits": lambda x, t: cross_entropy(x, t, base=2)},
}
