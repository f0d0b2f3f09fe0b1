"""What generation promises, as checks on drawn examples: the laws' own tests and the seeded faults run the same."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.gpt.variants import SMALL, VARIANTS, model
from tinylm import GPT, Cache, no_grad
from tinylm.backend import stream
from tinylm.sample import loop

V, LONGEST = SMALL["vocab_size"], SMALL["block_size"]

NO_SMALL = tuple((i, j) for i in range(V) for j in range(5))  # ids below 5 come after no other
prompts = st.lists(
    st.integers(1, LONGEST).flatmap(lambda n: st.lists(st.integers(0, V - 1), min_size=n, max_size=n)),
    min_size=1,
    max_size=4,
)
prompts = prompts | prompts | prompts.map(lambda several: [*several, *several][1:5])  # equal ones among some
choices = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "top_k": st.none() | st.integers(1, V),
        "top_p": st.none() | st.floats(0.1, 1.0),
        "min_p": st.none() | st.floats(0.0, 0.9),
        "repetition_penalty": st.sampled_from([1.0, 1.3, 2.0]),
        "typical_p": st.sampled_from([None, None, 0.3, 0.8]),
        "presence_penalty": st.sampled_from([0.0, 0.0, 1.9, -0.6]),
        "frequency_penalty": st.sampled_from([0.0, 0.0, 0.3]),
        "bad_words": st.sampled_from([(), (), ((3,), (7,)), ((1, 2), (4, 5, 6), (2,)), NO_SMALL]),
    }
)
examples = st.fixed_dictionaries(
    {
        "variant": st.sampled_from(list(VARIANTS)),
        "prompts": prompts,
        "new": st.sampled_from([0, 1, 4, 10, 12]),
        "choice": choices,
        "stop": st.sets(st.integers(0, V - 1), max_size=1),
        "seed": st.integers(0, 20),
        "cuts": st.lists(st.lists(st.integers(1, LONGEST), min_size=LONGEST), min_size=4, max_size=4),
        "leave": st.sets(st.integers(0, 3)),
    }
)


@functools.cache
def made(variant: str, dtype: Any = np.float64) -> GPT:
    """A model whose choices vary, and are far from equal."""
    return model(variant, seed=1, spread=0.3, dtype=dtype)


@functools.cache
def twins(variant: str, dtype: Any) -> GPT:
    """A model in which every other id has the logit of the id before it, but for rounding."""
    gpt = model(variant, seed=1, spread=0.3, dtype=dtype)
    table = gpt.wte.weight.data if gpt.config.tie_weights else gpt.lm_head.weight.data.T  # (V, C)
    table[1::2] = table[: V - 1 : 2]
    return gpt


def bound(logits: np.ndarray) -> float:
    """How far the logits of two orders of rounding may be apart.

    At most 15 sums follow one another (7 in each of 2 blocks, and the head), of at most 32 products each, and the norms
    keep what is added near the size of the largest logit. A product is rounded by eps/2 on either side, as often up
    as down: 15 · √32 · eps. Measured: a tenth of it.
    """
    return 85 * float(np.finfo(logits.dtype).eps) * max(1.0, float(np.abs(logits).max()))


def logits_of(gpt: GPT, ids: list[int]) -> np.ndarray:
    """(T, V) of one text alone and without a cache."""
    with no_grad():
        return gpt([ids])[0].numpy()[0]


# -- laws of the cache -------------------------------------------------------------------------------------


def check_rows_in_pieces(example: dict[str, Any], dtype: Any = np.float64) -> None:
    """Texts of unequal length, fed through one cache in unequal pieces, have the logits of each text alone.

    Some rows leave after the first pieces; paddings are ids like others.
    """
    gpt, texts = made(example["variant"], dtype), example["prompts"]
    wanted = [logits_of(gpt, text) for text in texts]
    cache, live, fed = Cache(gpt.config, len(texts)), list(range(len(texts))), [0] * len(texts)
    for turn in range(LONGEST):
        still = [row for row in live if fed[row] < len(texts[row]) and (turn != 1 or row not in example["leave"])]
        if not still:
            return
        cache.keep([live.index(row) for row in still])
        live = still
        pieces = [texts[row][fed[row] :][: example["cuts"][row][turn]] for row in live]
        T = max(map(len, pieces))
        ids = np.array([piece + [3 + turn] * (T - len(piece)) for piece in pieces])
        with no_grad():
            logits = gpt.head(gpt.hidden(ids, cache, [len(piece) for piece in pieces])).numpy()
        for row, piece, found in zip(live, pieces, logits, strict=True):
            expected = wanted[row][fed[row] :][: len(piece)]
            np.testing.assert_allclose(found[: len(piece)], expected, rtol=0, atol=bound(wanted[row]))
            fed[row] += len(piece)
        assert cache.lengths == [fed[row] for row in live]


def check_greedy_walk(example: dict[str, Any], dtype: Any = np.float64, of: Callable[..., GPT] = made) -> None:
    """Step by step the logits are those of the text alone, and the token is its argmax unless others are as near."""
    gpt, seen = of(example["variant"], dtype), list(example["prompts"][0])
    for step in loop.sampling(gpt, seen, 2 * LONGEST, temperature=0):
        row = logits_of(gpt, seen[-LONGEST:])[-1]
        near = bound(row)
        np.testing.assert_allclose(step.logits, row, rtol=0, atol=near)
        assert row[step.token] >= row.max() - 2 * near
        if np.sort(row)[-2] < row.max() - 2 * near:
            assert step.token == row.argmax()
        seen.append(step.token)


# -- laws of generation ------------------------------------------------------------------------------------


def plain(example: dict[str, Any], row: int) -> list[int]:
    """The tokens of one row by the definition: no cache, no batch, Python's own numbers."""
    gpt, seen, choice = made(example["variant"]), list(example["prompts"][row]), example["choice"]
    rng, found = stream(example["seed"] + row, "sampling"), []
    while len(found) < example["new"]:
        z = logits_of(gpt, seen[-LONGEST:])[-1].tolist()
        for *before, last in choice["bad_words"]:
            if seen[len(seen) - len(before) :] == before:
                z[last] = -math.inf
        if choice["repetition_penalty"] != 1:
            r = choice["repetition_penalty"]
            z = [(x / r if x > 0 else x * r) if i in seen else x for i, x in enumerate(z)]
        for i in set(found):
            z[i] -= choice["presence_penalty"] + choice["frequency_penalty"] * found.count(i)
        token = max(range(V), key=lambda i: (z[i], -i))
        if choice["temperature"]:
            token = drawn([x / choice["temperature"] for x in z], choice, rng.random())
        seen.append(token)
        found.append(token)
        if token in example["stop"]:
            break
    return found


def drawn(z: list[float], choice: dict[str, Any], uniform: float) -> int:
    """One id by typical, top-k, top-p and min-p, each a walk along the ids from the most likely or usual one."""
    order = sorted(range(V), key=lambda i: (-z[i], i))
    if choice["typical_p"] is not None:
        total = sum(math.exp(z[i] - z[order[0]]) for i in order)
        p = {i: math.exp(z[i] - z[order[0]]) / total for i in order}
        usual, walked, typical = sum(-x * math.log(x) for x in p.values() if x), 0.0, []
        for i in sorted((i for i in order if p[i]), key=lambda i: (abs(math.log(p[i]) + usual), i)):
            typical.append(i)
            walked += p[i]
            if walked >= choice["typical_p"]:
                break
        order = [i for i in order if i in typical]
    order = order[: choice["top_k"]]
    weight = {i: math.exp(z[i] - z[order[0]]) for i in order}
    if choice["top_p"] is not None:
        total, walked, nucleus = sum(weight.values()), 0.0, []
        for i in order:
            nucleus.append(i)
            walked += weight[i] / total
            if walked >= choice["top_p"]:
                break
        order = nucleus
    if choice["min_p"] is not None:
        order = [i for i in order if weight[i] >= choice["min_p"]]  # the most likely one has weight 1
    left = uniform * sum(weight[i] for i in order)
    for i in sorted(order):
        left -= weight[i]
        if left < 0:
            return i
    return max(order)


def alone(example: dict[str, Any], row: int, **settings: Any) -> list[int]:
    settings = {"stop": example["stop"], "seed": example["seed"] + row, **example["choice"], **settings}
    return list(loop.generate(made(example["variant"]), example["prompts"][row], example["new"], **settings))


def check_alone(example: dict[str, Any]) -> None:
    """With the cache and without it, the tokens are those of the definition."""
    wanted = plain(example, 0)
    assert alone(example, 0) == wanted
    assert alone(example, 0, use_cache=False) == wanted


def check_batch(example: dict[str, Any], use_cache: bool = True) -> None:
    """Each row of a batch has the tokens of the definition, and None from its stop id on."""
    columns = list(
        loop.generate_batch(
            made(example["variant"]),
            example["prompts"],
            example["new"],
            stop=example["stop"],
            seed=example["seed"],
            use_cache=use_cache,
            **example["choice"],
        )
    )
    wanted = [plain(example, row) for row in range(len(example["prompts"]))]
    assert len(columns) == max(map(len, wanted))
    for row, tokens in enumerate(wanted):
        assert [column[row] for column in columns] == tokens + [None] * (len(columns) - len(tokens))
