"""What the model thought of a text: a table of its tokens for a terminal, and one line of JSON."""

import json
import math
from collections.abc import Sequence
from typing import Any

from tinylm.checkpoint import AnyTokenizer
from tinylm.sample import Completion
from tokenizer.show.characters import display_width, label

__all__ = ["as_json", "table"]

WIDEST = 24  # columns of a token


def table(tokenizer: AnyTokenizer, made: Completion) -> str:
    """One line for each token: itself, ln p and p under the model, and the likeliest ones."""
    vocab = tokenizer.vocab

    def name(i: int) -> str:
        text = label(vocab[i]) if i in vocab else f"id {i}"
        return text if display_width(text) <= WIDEST else text[: WIDEST // 2 - 1] + "…"

    wide = max([len("token"), *(display_width(name(i)) for i in made.ids)])
    head = f"{'token':<{wide}}  {'ln p':>8}  {'p':>6}" + ("  most likely" if any(made.top) else "")
    lines = [head]
    for piece in made.pieces:
        likely = "  ".join(f"{name(each.id)} {_share(each.logprob)}" for each in piece.top)
        pad = " " * (wide - display_width(name(piece.id)))
        lines.append(f"{name(piece.id)}{pad}  {piece.logprob:8.3f}  {_share(piece.logprob):>6}  {likely}".rstrip())
    lines.append(f"mean ln p {made.mean_logprob:.3f} of {len(made.ids)} tokens; ended by: {made.finish_reason}")
    return "\n".join(lines)


def _share(logprob: float) -> str:
    return f"{100 * math.exp(logprob):.1f}%"


def as_json(tokenizer: AnyTokenizer, prompt: Sequence[int], made: Completion, *, logprobs: bool) -> str:
    """The text, its ids and how it ended as one line; with logprobs what `table` shows too."""
    document: dict[str, Any] = {
        "prompt": tokenizer.decode(prompt),
        "prompt_ids": list(prompt),
        "text": made.text,
        "ids": list(made.ids),
        "finish_reason": made.finish_reason,
        "mean_logprob": made.mean_logprob,
    }
    if logprobs:
        document["logprobs"] = list(made.logprobs)
        document["top"] = [[each._asdict() for each in top] for top in made.top]
    return json.dumps(document, ensure_ascii=False)
