"""The parts of the GPT: the forward of its MLP, of its attention and of the whole, and the block."""

from typing import Any

import numpy as np

from tinylm import gpt
from tinylm.course.compare import nearly
from tinylm.course.drive import in_attention, in_block, in_gpt, in_mlp
from tinylm.course.exercise import case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import array, drawn, integers, pick, whole

CLOSE = nearly(1e-9, 1e-9)  # where terms of a gradient cancel, roundings are all that is left of it
TENSORS = ("from tinylm import Tensor", "from tinylm import functional as F")


def mlp_case(draw: Any) -> Any:
    settings: dict[str, Any] = {"mlp": pick(draw, "gelu", "gelu_tanh", "swiglu"), "mlp_hidden": whole(draw, 1, 3)}
    if pick(draw, False, False, True):
        settings["dropout"] = 0.5
    x = array(draw, (1, whole(draw, 1, 2), whole(draw, 1, 3)))
    return case(x, **settings, seed=whole(draw, 0, 3))


def _attention_settings(draw: Any) -> tuple[Any, dict[str, Any]]:
    """x, (B, T, C), and settings of a model whose heads have two features each."""
    T, groups = whole(draw, 1, 4), whole(draw, 1, 2)
    sharing = pick(draw, 1, 2)
    settings: dict[str, Any] = {"n_head": groups * sharing}
    if sharing > 1:
        settings["n_kv_head"] = groups
    if pick(draw, False, True):
        settings["position"] = "rope"
    if pick(draw, False, False, True):
        settings["dropout"] = 0.5
    if T > 1 and pick(draw, False, False, True):
        settings["seen"] = whole(draw, 1, T - 1)
    x = array(draw, (1, T, 2 * groups * sharing))
    return x, {**settings, "seed": whole(draw, 0, 3)}


def self_attention_case(draw: Any) -> Any:
    x, settings = _attention_settings(draw)
    return case(x, **settings)


def block_case(draw: Any) -> Any:
    x = array(draw, (1, whole(draw, 1, 3), 2 * whole(draw, 1, 2)))
    settings: dict[str, Any] = {"mlp_hidden": 2, "norm": pick(draw, "layer", "rms")}
    if x.shape[1] > 1 and pick(draw, False, False, True):
        settings["seen"] = 1
    return case(x, **settings, seed=whole(draw, 0, 3))


def hidden_case(draw: Any) -> Any:
    B, T = whole(draw, 1, 2), whole(draw, 1, 4)
    settings: dict[str, Any] = {"n_layer": whole(draw, 1, 2), "mlp_hidden": 1}
    if pick(draw, False, True):
        settings["position"] = "rope"
    if pick(draw, False, False, True):
        settings["dropout"] = 0.5
    if T > 1 and pick(draw, False, False, True):
        settings["seen"] = whole(draw, 1, T - 1)
    return case(integers(draw, (B, T), 0, 4), **settings, seed=whole(draw, 0, 3))


EDGES = ((1, 8), (1, 9), (2,), (1, 0), (1, 1, 2))  # the context is full; it is too long; and what is not (B, T)
HIDDEN_CORNERS = tuple(
    case(np.zeros(shape, dtype=np.int64), n_layer=1, mlp_hidden=1, seed=0, **settings)
    for shape in EDGES
    for settings in ({}, {"position": "rope"})
)


EVALUATION = """
The tests run it in evaluation, where dropout does nothing, and look at the gradients, too."""
MLP_PARTS = """self is the module, whose parts are there already:

self.kind      "gelu", "gelu_tanh" (gelu with approximate="tanh") or "swiglu" (with a gate)
self.c_fc      linear, C to M features
self.c_gate    the same, where self.kind is "swiglu"
self.c_proj    linear, M to C
self.dropout   comes last
"""
ATTENTION_PARTS = """self is the module, whose parts are there already:

self.c_attn          linear, C to C + 2 G D features: queries of H heads, keys of G heads, their values
self.c_proj          linear, C to C
self.resid_dropout   comes last
self.config          .n_head H, .kv_heads G, .head_size D, .dropout (of weights), and .position: "rope" turns
                     queries and keys by positions, with .rope_base
self.rng             for dropout of weights, while self.training
self.layer           cache.extend(self.layer, k, v) gives keys and values with those of earlier positions
                     before them; where cache.mask is not None, attention under that mask stands for the causal one
"""
BLOCK_PARTS = """_norm(config, dtype) makes a norm. block(x, positions, cache): (B, T, C)   →   (B, T, C)
positions and cache are for the attention.
"""
HIDDEN_PARTS = """self is the model, whose parts are there already:

self.wte     embedding of ids
self.wpe     embedding of positions, where self.config.position is "learned"; they are counted from 0
self.drop    dropout
self.h       the blocks in order, to be called as block(x, positions, cache)
self.ln_f    the last norm

With a cache the positions are what cache.begin(B, T, lengths) returns, and cache.commit() comes at the end.
Without a cache T is self.config.block_size at most. Ids that do not fit, or are not (B, T) with T from 1 up, raise
ValueError. The tests give neither lengths nor self.recompute.
"""

add(
    Problem(
        "mlp_forward",
        gpt.MLP.forward,
        topic="model",
        level=2,
        minutes=20,
        inputs=drawn(mlp_case),
        drive=in_mlp,
        compare=CLOSE,
        imports=TENSORS,
        needs=("linear", "gelu"),
        notes=MLP_PARTS + EVALUATION,
        faults=(
            Fault(
                "relu",
                "relu stood in place of gelu",
                (('F.gelu(hidden, approximate="tanh" if self.kind == "gelu_tanh" else "none")', "F.relu(hidden)"),),
                "Which activation does self.kind name?",
            ),
            Fault(
                "always_exact",
                'gelu were exact for "gelu_tanh", too',
                (('"tanh" if self.kind == "gelu_tanh" else "none"', '"none"'),),
                "There are two forms of gelu; self.kind says which.",
            ),
            Fault(
                "always_tanh",
                'gelu were the approximate one for "gelu", too',
                (('"tanh" if self.kind == "gelu_tanh" else "none"', '"tanh"'),),
                "There are two forms of gelu; self.kind says which.",
            ),
            Fault(
                "gate_not_bent",
                "silu were of the wrong one of the two: c_gate(x) · silu(c_fc(x))",
                (("F.silu(self.c_gate(x)) * hidden", "self.c_gate(x) * F.silu(hidden)"),),
                "The activation is that of the gate.",
            ),
            Fault(
                "sigmoid_gate",
                "the activation of the gate were the sigmoid, not silu",
                (("F.silu(self.c_gate(x))", "F.sigmoid(self.c_gate(x))"),),
                "silu(x) = x · σ(x).",
            ),
            Fault(
                "no_bend",
                "there were no activation between the two linear layers",
                (("hidden = F.gelu(", "_ = F.gelu("), ("F.silu(self.c_gate(x)) * hidden", "hidden * 1")),
                "Two linear layers with nothing between them are one linear layer.",
            ),
            Fault(
                "dropout_in_evaluation",
                "dropout dropped in evaluation, too",
                (
                    (
                        "self.dropout(self.c_proj(hidden))",
                        "F.dropout(self.c_proj(hidden), self.dropout.p, True, self.dropout.rng)",
                    ),
                ),
                "self.dropout looks at the mode by itself.",
            ),
        ),
    ),
    Problem(
        "attention_forward",
        gpt.CausalSelfAttention.forward,
        topic="model",
        level=3,
        minutes=60,
        inputs=drawn(self_attention_case),
        drive=in_attention,
        compare=CLOSE,
        imports=(*TENSORS, "import numpy as np"),
        needs=("causal_attention", "split_heads", "merge_heads", "rotary"),
        notes=ATTENTION_PARTS + EVALUATION,
        faults=(
            Fault(
                "future",
                "every position saw those after it, too",
                (("F.causal_attention(q, k, v, dropout", "F.attention(q, k, v, dropout"),),
                "Which of the two attentions hides the future?",
            ),
            Fault(
                "keys_for_values",
                "the keys served as values, too",
                (("start=(H + G) * D)", "start=H * D)"),),
                "Where in the C + 2 G D features do the values begin?",
            ),
            Fault(
                "not_transposed",
                "the heads were merged by a reshape, without transposing",
                (("F.merge_heads(y)", "y.reshape(*x.shape)"),),
                "y is (B, H, T, D): what stands side by side in a row of T?",
            ),
            Fault(
                "not_projected",
                "the last projection were left out",
                (("self.c_proj(y)", "y"),),
                "Each head wrote into its own features; what mixes them?",
            ),
            Fault(
                "not_rotated",
                "nothing were rotated by its position",
                (
                    ("q = self._turned(q, positions)", "pass"),
                    ("k = self._turned(k, positions)", "pass"),
                ),
                'What does config.position "rope" ask for?',
            ),
            Fault(
                "only_queries_rotated",
                "queries were rotated by their positions, and keys were not",
                (("k = self._turned(k, positions)", "pass"),),
                "The angle between query and key is to be that of their distance.",
            ),
            Fault(
                "values_rotated",
                "values were rotated, too",
                (
                    (
                        "        k = self._turned(k, positions)",
                        "        k, v = [F.rotary(each, positions, self.config.rope_base) for each in (k, v)]",
                    ),
                ),
                "Positions are for matching; what is read is left as it is.",
            ),
            Fault(
                "cache_ignored",
                "the keys and values in the cache were not looked at",
                (("k, v = cache.extend(self.layer, k, v)", "pass"),),
                "What does a query see of the positions that came in an earlier call?",
            ),
            Fault(
                "dropout_in_evaluation",
                "attention weights were dropped in evaluation, too",
                ((" if self.training else 0.0", ""),),
                "self.training says which mode it is.",
            ),
        ),
    ),
    Problem(
        "block",
        gpt.Block,
        topic="model",
        level=2,
        minutes=30,
        inputs=drawn(block_case),
        drive=in_block,
        compare=CLOSE,
        symbol="Block",
        imports=(*TENSORS, "import numpy as np"),
        needs=("mlp_forward", "attention_forward", "layer_norm"),
        notes=BLOCK_PARTS + EVALUATION,
        faults=(
            Fault(
                "post_norm",
                "the norms came after the sums: norm(x + attention(x))",
                (
                    (
                        "x = x + self.attn(self.ln_1(x), positions, cache)",
                        "x = self.ln_1(x + self.attn(x, positions, cache))",
                    ),
                    ("x = x + self.mlp(self.ln_2(x))", "x = self.ln_2(x + self.mlp(x))"),
                ),
                "Is the residual stream itself ever normalised, inside a block?",
            ),
            Fault(
                "no_residual",
                "the attention replaced x, and were not added to it",
                (("x = x + self.attn(", "x = self.attn("),),
                "What does a residual connection add, and to what?",
            ),
            Fault(
                "no_residual_of_mlp",
                "the MLP replaced x, and were not added to it",
                (("x = x + self.mlp(", "x = self.mlp("),),
                "What does a residual connection add, and to what?",
            ),
            Fault(
                "first_norm_twice",
                "the first norm served for the MLP, too",
                (("self.mlp(self.ln_2(x))", "self.mlp(self.ln_1(x))"),),
                "Each of the two parts has a norm of its own.",
            ),
            Fault(
                "parallel",
                "the MLP read what the attention had read, before its sum",
                (
                    ("        x = x + self.attn(", "        before = x\n        x = x + self.attn("),
                    ("self.ln_2(x)", "self.ln_2(before)"),
                ),
                "What does the MLP see of what the attention found?",
            ),
            Fault(
                "normed_residual",
                "what the attention was added to were normalised, too",
                (
                    (
                        "        x = x + self.attn(self.ln_1(x),",
                        "        x = self.ln_1(x)\n        x = x + self.attn(x,",
                    ),
                ),
                "The residual stream runs through unchanged; only the branch reads a normalised copy.",
            ),
            Fault(
                "mlp_first",
                "the MLP came before the attention",
                (
                    ("x = x + self.attn(self.ln_1(x), positions, cache)", "x = x + self.mlp(self.ln_2(x))  # first"),
                    (
                        "x = x + self.mlp(self.ln_2(x))\n        return",
                        "x = x + self.attn(self.ln_1(x), positions, cache)\n        return",
                    ),
                ),
                "In which order do the two parts come?",
            ),
            Fault(
                "mlp_not_normed",
                "the MLP read x without a norm",
                (("self.mlp(self.ln_2(x))", "self.mlp(x)"),),
                "Each of the two parts has a norm of its own.",
            ),
        ),
    ),
    Problem(
        "gpt_hidden",
        gpt.GPT.hidden,
        topic="model",
        level=4,
        minutes=60,
        inputs=drawn(hidden_case),
        corners=HIDDEN_CORNERS,
        drive=in_gpt,
        compare=CLOSE,
        imports=(*TENSORS, "import numpy as np", "from tinylm.autograd import recompute"),
        needs=("embedding", "block", "attention_forward"),
        notes=HIDDEN_PARTS + EVALUATION,
        faults=(
            Fault(
                "no_positions",
                "the position embedding were not added",
                (
                    (
                        "x = x + (self.wpe.weight[first : first + T] if positions.ndim == 1 else self.wpe(positions))",
                        "pass",
                    ),
                ),
                "How does the model know which token came first?",
            ),
            Fault(
                "positions_from_one",
                "the first token had the position 1",
                (("first = int(positions.flat[0])", "first = int(positions.flat[0]) + 1"),),
                "Which row of wpe belongs to the first token?",
            ),
            Fault(
                "positions_restart",
                "positions were counted from 0 again, although a cache holds earlier ones",
                (("first = int(positions.flat[0])", "first = 0"),),
                "With 3 tokens in the cache, which position has the next one?",
            ),
            Fault(
                "no_last_norm",
                "the last norm were left out",
                (("x = self.ln_f(x)", "pass"),),
                "What comes behind the last block?",
            ),
            Fault(
                "first_block_only",
                "the first block ran in place of every block",
                (("for block in self.h:", "for block in [self.h[0] for _ in self.h]:"),),
                "Each layer has weights of its own.",
            ),
            Fault(
                "norm_in_every_block",
                "the last norm came after every block",
                (
                    ("x = self.ln_f(x)", "pass"),
                    ("else block(x, positions, cache)", "else self.ln_f(block(x, positions, cache))"),
                ),
                "How often does ln_f run?",
            ),
            Fault(
                "dropout_in_evaluation",
                "embeddings were dropped in evaluation, too",
                (("x = self.drop(x)", "x = F.dropout(x, self.drop.p, True, self.drop.rng)"),),
                "self.drop looks at the mode by itself.",
            ),
            Fault(
                "scaled",
                "the token embedding were multiplied by √C, as in Vaswani et al. 2017",
                (("x = self.wte(ids)", "x = self.wte(ids) * math.sqrt(self.config.n_embd)"),),
                "GPT-2 adds the two embeddings as they are.",
            ),
        ),
    ),
)
