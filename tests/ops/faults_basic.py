"""Plausible wrong activations, indexing, products, reductions, arithmetic and shapes, a step from the right ones."""

import math

import numpy as np

from tinylm.ops import activation, arithmetic, indexing, matmul, reduction
from tinylm.ops import shape as shaping
from tinylm.ops.op import keep

from . import ladder, laws
from .faults import fault, true

forward, gradient, float32 = ladder.check_forward, ladder.check_gradient, ladder.check_float32
LINEAR_BACKWARD = true(matmul.linear)[1]
VARIANCE = true(reduction.var)[0]
GELU, GELU_BACKWARD = true(activation.gelu)

# -- activation ----------------------------------------------------------------------------------------


@fault("maximum not subtracted", activation.softmax, laws.check_extremes_stay_finite, "forward")
def _(xp, x, *, axis=-1):
    p = xp.exp(x) / xp.exp(x).sum(axis=axis, keepdims=True)
    return p, keep(p=p)


@fault("wrong axis", activation.softmax, laws.check_rows_sum_to_one, "forward")
def _(xp, x, *, axis=-1):
    e = xp.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, keep(p=p)


@fault("no sum in the gradient", activation.softmax, laws.check_gradients_of_rows_sum_to_zero)
def _(xp, dy, *, p, axis):
    return p * dy


@fault("no softmax in the gradient", activation.log_softmax, gradient)
def _(xp, dy, *, y, axis):
    return dy - dy.sum(axis=axis, keepdims=True) / dy.shape[axis]


@fault("logarithm of a softmax that underflows", activation.log_softmax, laws.check_extremes_stay_finite, "forward")
def _(xp, x, *, axis=-1):
    e = xp.exp(x - x.max(axis=axis, keepdims=True))
    y = xp.log(e / e.sum(axis=axis, keepdims=True))
    return y, keep(y=y)


@fault("x · φ(x) missing in the derivative", activation.gelu, gradient)
def _(xp, dy, *, x, gate, approximate):
    return dy * gate


@fault("0.044175 for 0.044715", activation.gelu, forward, "forward")
def _(xp, x, *, approximate="none"):
    if approximate == "none":
        return GELU(xp, x, approximate=approximate)
    gate = (1 + xp.tanh(activation.SQRT_2_OVER_PI * (x + 0.044175 * x**3))) / 2
    return x * gate, keep(x=x, gate=gate)


@fault("cubic term without its 3", activation.gelu, gradient)
def _(xp, dy, *, x, gate, approximate):
    if approximate == "none":
        return GELU_BACKWARD(xp, dy, x=x, gate=gate, approximate=approximate)
    inner = activation.SQRT_2_OVER_PI * (1 + activation.GELU_CUBIC * x * x)
    return dy * (gate + x * 2 * gate * (1 - gate) * inner)


@fault("half precision inside", activation.silu, float32, "forward")
def _(xp, x):
    gate = activation.logistic(xp, x)
    if gate.dtype == np.float32:
        gate = gate.astype(np.float16).astype(np.float32)
    return x * gate, keep(x=x, gate=gate)


@fault("float64 comes out of float32", activation.sigmoid, float32, "forward")
def _(xp, x):
    y = activation.logistic(xp, x.astype(np.float64))
    return y, keep(y=y)


# -- indexing, matrix products, reductions, arithmetic, shapes -----------------------------------------


@fault("= for += over repeated ids", indexing.embedding, laws.check_gradients_add_over_repeats)
def _(xp, dy, *, ids, shape):
    dtable = xp.zeros(shape, dtype=dy.dtype)
    dtable[ids] = dy
    return dtable, None


@fault("plain += over repeated indices", indexing.getitem, gradient)
def _(xp, dy, *, shape, index):
    dx = xp.zeros(shape, dtype=dy.dtype)
    dx[index] += dy
    return dx


@fault("gradient of the bias averaged", matmul.linear, gradient)
def _(xp, dy, *, x, weight, needs, transposed):
    dx, dweight, dbias = LINEAR_BACKWARD(xp, dy, x=x, weight=weight, needs=needs, transposed=transposed)
    return dx, dweight, dbias if dbias is None else dbias / max(math.prod(dy.shape[:-1]), 1)


@fault("weight not transposed where it is square", matmul.linear, gradient)
def _(xp, dy, *, x, weight, needs, transposed):
    dx, *rest = LINEAR_BACKWARD(xp, dy, x=x, weight=weight, needs=needs, transposed=transposed)
    return xp.matmul(dy, weight) if weight.shape[0] == weight.shape[1] else dx, *rest


@fault("gradient of the mean not divided", reduction.mean, gradient)
def _(xp, dy, *, shape, axis, keepdims):
    return reduction.spread(xp, dy, shape, axis, keepdims)


@fault("gradient divided as that of the mean", reduction.sum_, gradient)
def _(xp, dy, *, shape, axis, keepdims):
    dx = reduction.spread(xp, dy, shape, axis, keepdims)
    return dx / max(dx.size // max(dy.size, 1), 1)


@fault("every equal maximum gets all of it", reduction.max_, laws.check_ties_share_the_gradient)
def _(xp, dy, *, x, y, axis, keepdims):
    dy, y = (reduction.restore_axes(xp, a, x.shape, axis, keepdims) for a in (dy, y))
    return dy * (x == y)


@fault("unbiased variance", reduction.var, forward, "forward")
def _(xp, x, *, axis=None, keepdims=False):
    y, kept = VARIANCE(xp, x, axis=axis, keepdims=keepdims)
    n = x.size // max(np.size(y), 1)
    return y * (n / max(n - 1, 1)), kept


@fault("sign of the second gradient", arithmetic.subtract, gradient)
def _(xp, dy):
    return dy, dy


@fault("quotient rule without its square", arithmetic.divide, gradient)
def _(xp, dy, *, b, y):
    return dy / b, -dy * y


@fault("permutation not inverted", shaping.transpose, gradient)
def _(xp, dy, *, axes):
    return xp.transpose(dy, axes)
