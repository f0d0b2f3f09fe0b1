"""Generation one token at a time: what comes after a prompt, choice by choice, of one text or of many at once.

rows     the texts of a batch, and the logits of what comes after each
loop     sampling, generate, generate_batch: ids in, ids out
pieces   a text token by token: what may be shown of it, how likely the model finds it, how it ends
texts    writing, completions: texts in, texts out, several of a prompt, the best of them
exact    a model in float64

What a seed promises. Text number i takes its own stream of random numbers, that of seed + i: the numbers drawn are the
same on every machine and for every size of batch. The logits are the same sums in each case, but rounded in another
order: with a cache or without, alone or in a batch (two kernels of BLAS), on another processor. They differ by some
units of the last place of the largest, and an id can differ where a draw falls within that of a border, or two ids are
that close; from there on the text is another. The same batch on the same machine, with as many threads, is the same to
the last bit.

How often a draw differs, measured between a text alone and in a batch of 8, per token:

                                              temperature 1    temperature 0.8, top_k=50
    4 layers, 1,024 ids, float32              4 · 10⁻⁵         3 · 10⁻⁶        on another processor the same
    4 layers, 1,024 ids, float64              1 · 10⁻¹³        1 · 10⁻¹⁴
    SmolLM2-135M, 49,152 ids, float32         2 · 10⁻³         2 · 10⁻⁵

The tail of a large vocabulary has intervals as narrow as float32's rounding: there it takes a filter, or `in_float64`,
which makes a text the same everywhere for all that anyone will see. Rounding the logits to a grid does not help (it was
measured: twice as often), for as many lie near a border of the grid.
"""

from tinylm.choose import (
    SamplingStep,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    pick,
    probabilities,
)
from tinylm.sample.exact import in_float64
from tinylm.sample.loop import generate, generate_batch, sampling
from tinylm.sample.pieces import Alternative, Completion, Piece
from tinylm.sample.rows import ContextError
from tinylm.sample.texts import completions, writing

__all__ = [
    "Alternative",
    "Completion",
    "ContextError",
    "Piece",
    "SamplingStep",
    "completions",
    "generate",
    "generate_batch",
    "in_float64",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
    "pick",
    "probabilities",
    "sampling",
    "writing",
]
