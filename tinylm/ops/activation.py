"""Nonlinearities element by element, and softmax along an axis."""

import math

from tinylm.ops.op import keep, op

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715  # Hendrycks & Gimpel 2016, the tanh approximation
ONE_OVER_SQRT_2PI = 1 / math.sqrt(2 * math.pi)

# Chebyshev coefficients on t in [0, 1] of ln(Φ(−z) e^{z²/2} / t) with t = 1 / (1 + z/4), z ≥ 0: computed for
# this project with 40-digit arithmetic from the complementary error function; the last is below 1e-16.
NORMAL_TAIL = (
    -3.161181224666655994 / 2, 0.8064773743049351087, 0.08381667481045649631, -1.083044170409551491e-4,
    -2.480986489062089843e-3, -3.503685158099688992e-4, 6.557173670149283833e-5, 2.557034668797392707e-5,
    -5.859831803347509259e-7, -1.488642779787973301e-6, -1.112475097031297555e-7, 7.726226496768657861e-8,
    1.303108492271198107e-8, -3.595399039814251257e-9, -1.032922219634553823e-9, 1.435997665332485609e-10,
    6.946051919367718881e-11, -4.157969712241567339e-12, -4.169905804495553612e-12, -3.158273096202279447e-15,
    2.246611477065995905e-13, 1.342969777670522923e-14, -1.056217805743718048e-14, -1.449465633762224852e-15,
    3.926388249926694246e-16, 1.160494211926243450e-16,
)  # fmt: skip


@op
def relu(xp, x):
    """Keep what is positive; the slope at 0 is taken as 0.

        y = max(x, 0)

    x: (...)   →   y: (...)        Nair & Hinton 2010
    """
    return xp.maximum(x, 0), keep(x=x)


@relu.backward
def relu_backward(xp, dy, *, x):
    """dx = dy · [x > 0]"""
    return dy * (x > 0)


def normal_cdf(xp, x):
    """Φ(x), the probability that a standard normal variable is below x, to 1e-14 relative in float64.

    NumPy and CuPy share no error function, so this evaluates a Chebyshev series by Clenshaw's recurrence.
    """
    z = xp.abs(x)
    t = 1 / (1 + z / 4)
    twice = 4 * t - 2  # 2 (2t − 1), the argument of the recurrence
    later = latest = xp.zeros_like(z)
    for coefficient in NORMAL_TAIL[:0:-1]:
        later, latest = twice * later - latest + coefficient, later
    tail = t * xp.exp((twice / 2) * later - latest + NORMAL_TAIL[0] - z * z / 2)  # Φ(−|x|)
    return xp.where(x < 0, tail, 1 - tail)


@op
def gelu(xp, x, *, approximate="none"):
    """Weight x by the probability that a standard normal variable is below it.

        none:   y = x · Φ(x)
        tanh:   y = ½ x (1 + tanh u)        u = √(2/π) (x + 0.044715 x³)

    x: (...)   →   y: (...)        Hendrycks & Gimpel 2016
    """
    if approximate == "none":
        gate = normal_cdf(xp, x)
    elif approximate == "tanh":
        gate = (1 + xp.tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x))) / 2
    else:
        raise ValueError(f'gelu: approximate is "none" or "tanh", got {approximate!r}')
    return x * gate, keep(x=x, gate=gate)


@gelu.backward
def gelu_backward(xp, dy, *, x, gate, approximate):
    """dx = dy (gate + x · gate′),  gate′ = φ(x), or 2 gate (1 − gate) u′ for the tanh form"""
    if approximate == "none":
        slope = ONE_OVER_SQRT_2PI * xp.exp(-x * x / 2)
    else:
        slope = 2 * gate * (1 - gate) * (SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * x * x))
    return dy * (gate + x * slope)


def logistic(xp, x):
    """1 / (1 + e⁻ˣ) without overflow on either side."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1, small).astype(small.dtype) / (1 + small)


@op
def sigmoid(xp, x):
    """The logistic function.

        y = 1 / (1 + e⁻ˣ)

    x: (...)   →   y: (...)
    """
    y = logistic(xp, x)
    return y, keep(y=y)


@sigmoid.backward
def sigmoid_backward(xp, dy, *, y):
    """dx = dy · y (1 − y)"""
    return dy * y * (1 - y)


@op
def silu(xp, x):
    """Weight x by its sigmoid; also called swish.

        y = x · σ(x)

    x: (...)   →   y: (...)        Elfwing et al. 2018
    """
    gate = logistic(xp, x)
    return x * gate, keep(x=x, gate=gate)


@silu.backward
def silu_backward(xp, dy, *, x, gate):
    """dx = dy · σ (1 + x (1 − σ))"""
    return dy * gate * (1 + x * (1 - gate))


@op
def tanh(xp, x):
    """The hyperbolic tangent.

        y = tanh x

    x: (...)   →   y: (...)
    """
    y = xp.tanh(x)
    return y, keep(y=y)


@tanh.backward
def tanh_backward(xp, dy, *, y):
    """dx = dy (1 − y²)"""
    return dy * (1 - y * y)


@op
def softmax(xp, x, *, axis=-1):
    """Positive numbers that add up to 1 along an axis.

        yᵢ = e^{xᵢ − m} / Σⱼ e^{xⱼ − m}        m = maxⱼ xⱼ, so that nothing overflows

    x: (..., N)   →   y: (..., N)
    """
    e = xp.exp(x - x.max(axis=axis, keepdims=True))
    p = e / e.sum(axis=axis, keepdims=True)
    return p, keep(p=p)


@softmax.backward
def softmax_backward(xp, dy, *, p, axis):
    """dx = p (dy − Σ dy · p)"""
    return p * (dy - (dy * p).sum(axis=axis, keepdims=True))


@op
def log_softmax(xp, x, *, axis=-1):
    """The logarithm of softmax, exact also where softmax underflows.

        yᵢ = xᵢ − m − ln Σⱼ e^{xⱼ − m}        m = maxⱼ xⱼ

    x: (..., N)   →   y: (..., N)
    """
    shifted = x - x.max(axis=axis, keepdims=True)
    y = shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))
    return y, keep(y=y)


@log_softmax.backward
def log_softmax_backward(xp, dy, *, y, axis):
    """dx = dy − eʸ Σ dy"""
    return dy - xp.exp(y) * dy.sum(axis=axis, keepdims=True)
