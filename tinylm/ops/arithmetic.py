"""Elementwise arithmetic with NumPy's broadcasting; gradients come back broadcast and the engine sums them.

Where an op has two inputs, `needs` says which of them want a gradient, so that none is made in vain.
"""

from tinylm.ops.op import keep, op


@op
def add(xp, a, b):
    """Add element by element.

        y = a + b

    a: (...)   b: (...)   →   y: (...)
    """
    return a + b, keep()


@add.backward
def add_backward(xp, dy):
    """da = dy,  db = dy"""
    return dy, dy


@op
def subtract(xp, a, b):
    """Subtract element by element.

        y = a − b

    a: (...)   b: (...)   →   y: (...)
    """
    return a - b, keep()


@subtract.backward
def subtract_backward(xp, dy, *, needs):
    """da = dy,  db = −dy"""
    return dy, -dy if needs[1] else None


@op
def multiply(xp, a, b):
    """Multiply element by element.

        y = a · b

    a: (...)   b: (...)   →   y: (...)
    """
    return a * b, keep(a=a, b=b)


@multiply.backward
def multiply_backward(xp, dy, *, a, b, needs):
    """da = dy · b,  db = dy · a"""
    return dy * b if needs[0] else None, dy * a if needs[1] else None


@op
def divide(xp, a, b):
    """Divide element by element.

        y = a / b

    a: (...)   b: (...)   →   y: (...)
    """
    y = a / b
    return y, keep(b=b, y=y)


@divide.backward
def divide_backward(xp, dy, *, b, y, needs):
    """da = dy / b,  db = −da · y"""
    da = dy / b
    return da, -da * y if needs[1] else None


@op
def negative(xp, x):
    """Change the sign.

        y = −x

    x: (...)   →   y: (...)
    """
    return -x, keep()


@negative.backward
def negative_backward(xp, dy):
    """dx = −dy"""
    return -dy


@op
def power(xp, a, b):
    """Raise to a power, element by element.

        y = aᵇ

    a: (...)   b: (...)   →   y: (...)

    Where b = 0 the slope in a is 0, and where a = 0 the slope in b is 0, as the limits from above are.
    """
    y = a**b
    return y, keep(a=a, b=b, y=y)


@power.backward
def power_backward(xp, dy, *, a, b, y, needs):
    """da = dy · b · aᵇ⁻¹,  db = dy · y · ln a"""
    da = db = None
    if needs[0]:
        if isinstance(b, (int, float)):
            da = dy * (b * a ** (b - 1)) if b else dy * 0
        else:
            da = dy * b * a ** xp.where(b == 0, xp.ones_like(b), b - 1)
    if needs[1]:
        base = xp.asarray(a, dtype=b.dtype)
        db = dy * y * xp.log(xp.where(base == 0, xp.ones_like(base), base))
    return da, db


@op
def exp(xp, x):
    """The exponential.

        y = eˣ

    x: (...)   →   y: (...)
    """
    y = xp.exp(x)
    return y, keep(y=y)


@exp.backward
def exp_backward(xp, dy, *, y):
    """dx = dy · y"""
    return dy * y


@op
def log(xp, x):
    """The natural logarithm.

        y = ln x

    x: (...)   →   y: (...)
    """
    return xp.log(x), keep(x=x)


@log.backward
def log_backward(xp, dy, *, x):
    """dx = dy / x"""
    return dy / x


@op
def sqrt(xp, x):
    """The square root.

        y = √x

    x: (...)   →   y: (...)
    """
    y = xp.sqrt(x)
    return y, keep(y=y)


@sqrt.backward
def sqrt_backward(xp, dy, *, y):
    """dx = dy / 2y"""
    return dy / (2 * y)


@op
def sin(xp, x):
    """The sine of an angle in radians.

        y = sin x

    x: (...)   →   y: (...)
    """
    return xp.sin(x), keep(x=x)


@sin.backward
def sin_backward(xp, dy, *, x):
    """dx = dy · cos x"""
    return dy * xp.cos(x)


@op
def cos(xp, x):
    """The cosine of an angle in radians.

        y = cos x

    x: (...)   →   y: (...)
    """
    return xp.cos(x), keep(x=x)


@cos.backward
def cos_backward(xp, dy, *, x):
    """dx = −dy · sin x"""
    return -dy * xp.sin(x)


@op
def absolute(xp, x):
    """The absolute value; its slope at 0 is taken as 0.

        y = |x|

    x: (...)   →   y: (...)
    """
    return xp.abs(x), keep(x=x)


@absolute.backward
def absolute_backward(xp, dy, *, x):
    """dx = dy · sign x"""
    return dy * xp.sign(x)


@op
def maximum(xp, a, b):
    """The larger of two, element by element; where they are equal each gets half of the gradient.

        y = max(a, b)

    a: (...)   b: (...)   →   y: (...)
    """
    return xp.maximum(a, b), keep(a=a, b=b)


@maximum.backward
def maximum_backward(xp, dy, *, a, b):
    """da = dy · [a > b] + ½ dy · [a = b],  db = dy − da"""
    da = xp.where(a > b, dy, xp.where(a == b, dy / 2, xp.zeros_like(dy)))
    return da, dy - da


@op
def minimum(xp, a, b):
    """The smaller of two, element by element; where they are equal each gets half of the gradient.

        y = min(a, b)

    a: (...)   b: (...)   →   y: (...)
    """
    return xp.minimum(a, b), keep(a=a, b=b)


@minimum.backward
def minimum_backward(xp, dy, *, a, b):
    """da = dy · [a < b] + ½ dy · [a = b],  db = dy − da"""
    da = xp.where(a < b, dy, xp.where(a == b, dy / 2, xp.zeros_like(dy)))
    return da, dy - da


@op
def where(xp, condition, a, b):
    """Choose from a where the condition holds, else from b.

        y = condition ? a : b

    condition: (...) of bools   a: (...)   b: (...)   →   y: (...)
    """
    return xp.where(condition, a, b), keep(condition=condition)


@where.backward
def where_backward(xp, dy, *, condition):
    """da = dy where the condition holds, else 0;  db = the rest"""
    zero = xp.zeros_like(dy)
    return None, xp.where(condition, dy, zero), xp.where(condition, zero, dy)


@op
def astype(xp, x, *, dtype):
    """Convert to another floating-point type; the gradient is converted back.

        y = x

    x: (...)   →   y: (...)
    """
    return x.astype(dtype), keep(source=x.dtype)


@astype.backward
def astype_backward(xp, dy, *, source):
    """dx = dy, in x's type"""
    return dy.astype(source)
