"""What the docstrings of the ops say, in the pieces in which the page shows it; knows nothing of pages."""

import re
from collections.abc import Callable
from typing import Any

from tinylm.ops import Op, op_named
from tinylm.optim import AdamW, clip_grad_norm
from tinylm.optim.adamw import adamw_update
from tinylm.tracing.describe import derivative, describe, place_in_source

__all__ = ["described", "descriptions"]

USED = (
    "embedding add layer_norm rms_norm linear split_heads rotary causal_attention merge_heads gelu silu multiply "
    "softmax softmax_cross_entropy"
)
GAP = re.compile(r"\n|\s{6,}")  # what stands between two equations on a line, and before a paper
PAPER = re.compile(r"\D{4,} (19|20)\d\d(, (eq|sec)\..*)?")


def described(docstring: str | None, function: Callable[..., Any] | None) -> dict[str, str]:
    """sentence, equation (one a line), paper and source line of an op, or of anything with a docstring of that form."""
    text = describe(docstring)
    paper = next((part for part in GAP.split(docstring or "") if PAPER.fullmatch(part.strip())), "")
    equations = [part.strip() for part in GAP.split(text.equation) if part != paper]
    return {
        "sentence": text.sentence,
        "equation": "\n".join(equations),
        "note": paper.strip(),
        "source": place_in_source(function),
    }


def _of_op(op: Op) -> dict[str, str]:
    backward = op.reference.backward
    found = described(op.__doc__, op.reference.forward)
    return found | {"backward": derivative(backward), "backward_source": place_in_source(backward)}


def descriptions() -> dict[str, dict[str, str]]:
    """Every op that a GPT uses by its name, and the optimizer's two parts."""
    found = {name: _of_op(op_named(name)) for name in USED.split()}
    found["AdamW"] = described(AdamW.__doc__, adamw_update)
    found["clip_grad_norm"] = described(clip_grad_norm.__doc__, clip_grad_norm)
    return found
