"""Layer norm and root-mean-square norm over the last axis."""

from tinylm.ops.op import keep, op


@op
def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    """Normalise each row of features, then scale and shift it.

        x̂ = (x − μ) · r        r = 1 / √(σ² + eps)        y = gain · x̂ + bias

    x: (..., C)   gain: (C,)   bias: (C,)   →   y: (..., C)        Ba et al. 2016, eq. 4
    """
    centred = x - x.mean(axis=-1, keepdims=True)  # (..., C)
    rstd = 1 / xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)  # (..., 1)
    xhat = centred * rstd  # (..., C)
    y = gain * xhat
    return y if bias is None else y + bias, keep(xhat=xhat, rstd=rstd, gain=gain)


@layer_norm.backward
def layer_norm_backward(xp, dy, *, xhat, rstd, gain):
    """dx = r (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)),  dx̂ = gain · dy,  dgain = Σ dy · x̂,  dbias = Σ dy"""
    dxhat = gain * dy  # (..., C)
    dx = dxhat - dxhat.mean(axis=-1, keepdims=True)
    dx -= xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx *= rstd
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * xhat).sum(axis=rows), dy.sum(axis=rows)


@op
def rms_norm(xp, x, gain, *, eps=1e-5):
    """Divide each row of features by its root mean square, then scale it.

        x̂ = x · r        r = 1 / √(mean(x²) + eps)        y = gain · x̂

    x: (..., C)   gain: (C,)   →   y: (..., C)        Zhang & Sennrich 2019, eq. 4
    """
    rstd = 1 / xp.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)  # (..., 1)
    xhat = x * rstd  # (..., C)
    return gain * xhat, keep(xhat=xhat, rstd=rstd, gain=gain)


@rms_norm.backward
def rms_norm_backward(xp, dy, *, xhat, rstd, gain):
    """dx = r (dx̂ − x̂ · mean(dx̂ · x̂)),  dx̂ = gain · dy,  dgain = Σ dy · x̂"""
    dxhat = gain * dy  # (..., C)
    dx = rstd * (dxhat - xhat * (dxhat * xhat).mean(axis=-1, keepdims=True))
    return dx, (dy * xhat).sum(axis=tuple(range(dy.ndim - 1)))
