"""Scaled dot-product attention under a mask, and the causal one; groups of queries may share a key head."""

from tinylm.ops.op import keep, op


def sharing(q, k):
    """How many query heads share each key head, R = H/G; 1 where one of the two has no head axis."""
    if q.ndim < 3 or k.ndim < 3 or q.shape[-3] == k.shape[-3]:
        return 1
    heads, groups = q.shape[-3], k.shape[-3]
    if groups == 0 or heads % groups:
        raise ValueError(f"attention: {heads} query heads cannot share {groups} key heads evenly")
    return heads // groups


def fold(x, R):
    """Heads that share a key head, laid one after the other in time: (..., H, T, N) → (..., G, R·T, N)."""
    return x if R == 1 else x.reshape(*x.shape[:-3], x.shape[-3] // R, R * x.shape[-2], x.shape[-1])


def unfold(x, R):
    """Heads side by side again: (..., G, R·T, N) → (..., H, T, N)."""
    return x if R == 1 else x.reshape(*x.shape[:-3], x.shape[-3] * R, x.shape[-2] // R, x.shape[-1])


def attend(xp, q, k, v, mask, gates, scale):
    """softmax(q kᵀ · scale) v, with what backward needs; mask True = may attend, gates multiply the weights."""
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else scale
    R = sharing(q, k)
    scores = unfold(xp.matmul(fold(q, R), xp.swapaxes(k, -1, -2)) * scale, R)  # (..., H, T, S)
    if mask is not None:
        scores = xp.where(mask, scores, -xp.inf)
    if scores.shape[-1]:
        highest = scores.max(axis=-1, keepdims=True)
        scores = scores - xp.where(highest == -xp.inf, xp.zeros_like(highest), highest)
    e = xp.exp(scores)
    total = e.sum(axis=-1, keepdims=True)
    p = e / xp.where(total == 0, xp.ones_like(total), total)  # a query that may attend to nothing gets 0
    weights = p if gates is None else p * gates
    return unfold(xp.matmul(fold(weights, R), v), R), keep(q=q, k=k, v=v, p=p, gates=gates)


def attend_backward(xp, dy, q, k, v, p, gates, scale):
    """dv = (p·g)ᵀ dy,  dp = dy vᵀ · g,  ds = p (dp − Σ dp · p),  dq = ds k · scale,  dk = dsᵀ q · scale"""
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else scale
    R = sharing(q, k)
    dy = fold(dy, R)  # (..., G, R·T, E)
    dp = unfold(xp.matmul(dy, xp.swapaxes(v, -1, -2)), R)  # (..., H, T, S)
    weights = p
    if gates is not None:
        weights, dp = p * gates, dp * gates
    dv = xp.matmul(xp.swapaxes(fold(weights, R), -1, -2), dy)
    ds = fold(p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * scale, R)  # (..., G, R·T, S)
    dq = unfold(xp.matmul(ds, k), R)
    dk = xp.matmul(xp.swapaxes(ds, -1, -2), fold(q, R))
    return dq, dk, dv


@op
def attention(xp, q, k, v, mask=None, gates=None, *, scale=None):
    """Each query takes an average of the values, weighted by how well it matches the keys.

        y = (p · gates) v        p = softmax(q kᵀ / √D), over the keys that the mask allows

    q: (..., H, T, D)   k: (..., G, S, D)   v: (..., G, S, E)   mask: (..., T, S) of bools, True = may attend
    gates: (..., H, T, S) for dropout of weights   →   y: (..., H, T, E)        Vaswani et al. 2017, eq. 1

    G divides H: each key head serves H/G query heads (Ainslie et al. 2023). No mask: all may attend. A query
    that may attend to nothing gives 0. Neither mask nor gates has a gradient.
    """
    return attend(xp, q, k, v, mask, gates, scale)


@attention.backward
def attention_backward(xp, dy, *, q, k, v, p, gates, scale):
    """dv = (p·g)ᵀ dy,  dp = dy vᵀ · g,  ds = p (dp − Σ dp · p),  dq = ds k · scale,  dk = dsᵀ q · scale"""
    return attend_backward(xp, dy, q, k, v, p, gates, scale)


def causal_mask(xp, queries, keys):
    """True where a query may attend: the queries are the last ones, so query i sees keys 0 … i + S − T."""
    last = xp.arange(queries)[:, None] + (keys - queries)  # (T, 1)
    return xp.arange(keys)[None, :] <= last  # (T, S)


@op
def causal_attention(xp, q, k, v, gates=None, *, scale=None):
    """Attention in which a position sees itself and what came before, never what comes after.

        y = (p · gates) v        pᵢⱼ = softmaxⱼ(qᵢ·kⱼ / √D) over j ≤ i + S − T

    q: (..., H, T, D)   k: (..., G, S, D)   v: (..., G, S, E)   gates: (..., H, T, S) for dropout of weights
    →   y: (..., H, T, E)        Vaswani et al. 2017, sec. 3.2.3

    With S > T the queries are the last T of S positions: what a cache of keys and values needs.
    """
    queries, keys = q.shape[-2], k.shape[-2]
    if queries > keys:
        raise ValueError(f"causal_attention: {queries} queries, but only {keys} keys; q must be the last part")
    return attend(xp, q, k, v, causal_mask(xp, queries, keys), gates, scale)


@causal_attention.backward
def causal_attention_backward(xp, dy, *, q, k, v, p, gates, scale):
    """As that of attention: where p is 0, no gradient passes.

    dv = (p·g)ᵀ dy,  dp = dy vᵀ · g,  ds = p (dp − Σ dp · p),  dq = ds k · scale,  dk = dsᵀ q · scale
    """
    return attend_backward(xp, dy, q, k, v, p, gates, scale)
