"""Cross-entropy of a softmax against target ids, in one step that neither overflows nor takes log 0."""

from tinylm.ops.matmul import linear
from tinylm.ops.op import keep, op


@op
def softmax_cross_entropy(xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    """How surprised the distribution softmax(logits) is by the target ids, in nats.

        lossₙ = −(1−s) ln p[n, targetₙ] − (s/V) Σᵥ ln p[n, v]        p = softmax(logits),  s = label_smoothing

    logits: (..., V)   targets: (...) of whole numbers below V   →   loss: ()

    Positions whose target is `ignore_index` count nothing. reduction "mean" averages over the others (0
    where there are none), "sum" adds them, "none" gives one loss a position, (...). Smoothing: Szegedy et
    al. 2016, sec. 7.
    """
    V = logits.shape[-1]
    flat, ids = logits.reshape(-1, V), targets.reshape(-1)  # (N, V), (N,)
    counted = xp.ones(ids.shape, dtype=bool) if ignore_index is None else ids != ignore_index
    ids = xp.where(counted, ids, 0)
    logp = flat - flat.max(axis=-1, keepdims=True)
    logp -= xp.log(xp.exp(logp).sum(axis=-1, keepdims=True))
    losses = -logp[xp.arange(ids.shape[0]), ids] * (1 - label_smoothing)  # (N,)
    if label_smoothing:
        losses = losses - logp.sum(axis=-1) * (label_smoothing / V)
    weight = counted.astype(logits.dtype)  # (N,)
    if reduction == "mean":
        weight = weight / xp.maximum(weight.sum(), 1)
    elif reduction not in ("sum", "none"):
        raise ValueError(f'softmax_cross_entropy: reduction is "mean", "sum" or "none", got {reduction!r}')
    loss = losses * weight
    loss = loss.reshape(targets.shape) if reduction == "none" else loss.sum()
    return loss, keep(p=xp.exp(logp), ids=ids, weight=weight, shape=logits.shape)


@softmax_cross_entropy.backward
def softmax_cross_entropy_backward(xp, dy, *, p, ids, weight, shape, label_smoothing):
    """dlogits = dy · weight · (p − (1−s) onehot(target) − s/V)"""
    slope = (dy.reshape(-1) * weight)[:, None]  # (N, 1); dy is one number, or one for each position
    dlogits = (p - label_smoothing / p.shape[-1]) * slope if label_smoothing else p * slope
    dlogits[xp.arange(ids.shape[0]), ids] -= (1 - label_smoothing) * slope[:, 0]
    return dlogits.reshape(shape), None


@op
def linear_cross_entropy(
    xp, x, weight, targets, *, transposed=False, ignore_index=None, label_smoothing=0.0, reduction="mean"
):
    """The cross-entropy of a linear layer's logits against target ids, for when nobody wants to see the logits.

        loss = softmax_cross_entropy(x W, targets)

    x: (..., I)   weight: (I, V)   targets: (...) of whole numbers below V   →   loss: ()

    Settings as in linear (without a bias) and softmax_cross_entropy. With large vocabularies the logits are the
    largest array of a model: a kernel may overwrite them, or make them part by part.
    """
    logits, _ = linear(xp, x, weight, transposed=transposed)
    loss, more = softmax_cross_entropy(
        xp, logits, targets, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
    )
    return loss, keep(x=x, weight=weight, p=more["p"], ids=more["ids"], counted=more["weight"], shape=more["shape"])


@linear_cross_entropy.backward
def linear_cross_entropy_backward(xp, dy, *, x, weight, p, ids, counted, shape, label_smoothing, transposed, needs):
    """dx = dlogits Wᵀ,  dW = xᵀ dlogits"""
    dlogits, _ = softmax_cross_entropy_backward(
        xp, dy, p=p, ids=ids, weight=counted, shape=shape, label_smoothing=label_smoothing
    )
    needs = (*needs[:2], False)
    dx, dweight, _ = linear.reference.backward(xp, dlogits, x=x, weight=weight, needs=needs, transposed=transposed)
    return dx, dweight, None
