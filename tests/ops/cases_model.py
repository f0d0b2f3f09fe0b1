"""Cases of what a language model is made of: norms, attention, position, dropout and loss."""

import math

import numpy as np
from hypothesis import strategies as st

import tinylm.functional as F
from tinylm import apply, spelled
from tinylm.ops import op_named

from . import oracles
from .ladder import Case, beside
from .strategies import Example, generators, laid_out, layouts, lead, positive, sizes, values


@st.composite
def normalized(draw, biased):
    C, rng, layout = draw(positive), draw(generators), draw(layouts)
    shape = (*draw(lead()), C)
    spread = rng.permuted(np.broadcast_to(np.linspace(-1, 1, C), shape), axis=-1)  # σ far above gradcheck's step
    x = laid_out(spread + rng.uniform(-0.2, 0.2, shape), layout)
    arrays = [x, values(rng, (C,), layout), values(rng, (C,), layout)]
    count = draw(st.integers(2, 3)) if biased else 2
    return Example(tuple(arrays[:count]), {"eps": draw(st.sampled_from([1e-5, 0.1]))})


NORMALIZATION = {
    "layer_norm": Case(F.layer_norm, oracles.layer_norm, normalized(biased=True), spelled.layer_norm),
    "rms_norm": Case(F.rms_norm, oracles.rms_norm, normalized(biased=False), spelled.rms_norm),
}


@st.composite
def queries_and_keys(draw, causal):
    """Grouped heads or none at all, more keys than queries, masks of every form that broadcasts, gates."""
    rng, heads = draw(generators), draw(st.sampled_from([(2, 1), (1, 2), (3, 1), (1, 1), (2, 2), (3, 2), None]))
    batch, T, late = draw(lead(1)), draw(sizes), draw(st.sampled_from([0, 1, 3]))
    S, D, E = T + late, draw(positive), draw(sizes)
    q, kv = ((*batch, math.prod(heads)), (*batch, heads[1])) if heads else ((), ())  # heads: queries to a key, keys
    shapes = [(*q, T, D), (*kv, S, D), (*kv, S, E)]
    arrays = tuple(values(rng, shape, draw(layouts), high=1.5) for shape in shapes)
    settings = {"gates": None, "scale": draw(st.sampled_from([None, 0.7]))}
    if draw(st.booleans()):
        settings["gates"] = (rng.random((*q, T, S)) < 0.7) / 0.7
    if not causal:
        full = (*q, T, S)
        form = tuple(1 if draw(st.booleans()) else n for n in full)[draw(st.integers(0, len(full))) :]
        settings["mask"] = draw(st.sampled_from([None, rng.random(form) < 0.6]))
    return Example(arrays, settings)


def gates_beside(gates, q):
    return None if gates is None else beside(gates.astype(q.dtype), q)


def attention(q, k, v, *, mask, gates, scale):
    return apply(op_named("attention"), q, k, v, beside(mask, q), gates_beside(gates, q), scale=scale)


def attention_oracle(q, k, v, *, mask, gates, scale):
    def allowed(where, t, s):
        return mask is None or oracles.at(mask, (*where, t, s))

    return oracles.attention(q, k, v, allowed=allowed, gates=gates, scale=scale)


def causal_attention(q, k, v, *, gates, scale):
    return apply(op_named("causal_attention"), q, k, v, gates_beside(gates, q), scale=scale)


ATTENTION = {
    "attention": Case(attention, attention_oracle, queries_and_keys(causal=False)),
    "causal_attention": Case(causal_attention, oracles.causal_attention, queries_and_keys(causal=True)),
}


@st.composite
def positioned(draw):
    """Positions for each time, for each time of each row, or one for all."""
    rng, batch, T, D = draw(generators), draw(lead(1)), draw(sizes), 2 * draw(sizes)
    at = draw(st.sampled_from([(T,), (*batch, T), (), (1,)]))
    arrays = (values(rng, (*batch, T, D), draw(layouts)), rng.integers(0, 50, at))
    return Example(arrays, {"base": draw(st.sampled_from([10000.0, 3.0]))})


POSITION = {
    "rotary": Case(
        F.rotary,
        oracles.rotary,
        positioned(),
        lambda x, positions, *, base: spelled.rotary(x, positions.numpy(), base),
    )
}


@st.composite
def dropped(draw):
    rng, shape, p = draw(generators), draw(lead(3)), draw(st.sampled_from([0.1, 0.5, 1.0]))
    return Example((values(rng, shape, draw(layouts)), rng.random(shape) >= p), {"p": p})


def dropout(x, mask, *, p):
    return apply(op_named("dropout"), x, mask, p=p)


DROPOUT = {
    "dropout": Case(
        dropout,
        lambda x, mask, *, p: oracles.each(lambda a, stays: a / (1 - p) if stays and p < 1 else 0.0)(x, mask),
        dropped(),
    )
}


@st.composite
def predictions(draw):
    """Targets of which some, or all, or none are ignored; one class; no positions at all."""
    rng, V, where = draw(generators), draw(positive), draw(lead())
    targets = rng.integers(0, V, where)
    ignore = draw(st.sampled_from([None, -100, 0]))
    if ignore is not None:
        targets = np.where(rng.random(where) < draw(st.sampled_from([0.3, 1.0])), ignore, targets)
    settings = {
        "ignore_index": ignore,
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
    }
    return Example((values(rng, (*where, V), draw(layouts)), targets), settings)


@st.composite
def predicted_from(draw):
    """The same, where the logits are made by a linear layer; nothing to multiply, too."""
    example, inner, transposed = draw(predictions()), draw(sizes), draw(st.booleans())
    logits, targets = example.arrays
    weight = (logits.shape[-1], inner) if transposed else (inner, logits.shape[-1])
    rng = draw(generators)
    x = values(rng, (*targets.shape, inner), draw(layouts))
    return Example((x, values(rng, weight, draw(layouts)), targets), {**example.settings, "transposed": transposed})


def linear_oracle(x, weight, targets, *, transposed, **settings):
    return oracles.softmax_cross_entropy(oracles.linear(x, weight, transposed=transposed), targets, **settings)


def linear_spelled(x, weight, targets, *, transposed, **settings):
    return spelled.softmax_cross_entropy(spelled.linear(x, weight, transposed=transposed), targets.numpy(), **settings)


LOSS = {
    "linear_cross_entropy": Case(F.linear_cross_entropy, linear_oracle, predicted_from(), linear_spelled),
    "softmax_cross_entropy": Case(
        F.softmax_cross_entropy,
        oracles.softmax_cross_entropy,
        predictions(),
        lambda logits, targets, **settings: spelled.softmax_cross_entropy(logits, targets.numpy(), **settings),
    ),
}
