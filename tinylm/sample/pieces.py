"""A text as pieces, one for each token: what may be shown of it, how likely the model finds it, how it ends.

Log-probabilities are those of the model's own distribution, ln softmax(logits): before penalties, temperature and
filters, as in OpenAI's API. So they say how likely the model finds a text, however it was drawn.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tinylm.choose import SamplingStep, keep_top_k
from tinylm.stops import StopStrings

__all__ = ["Alternative", "Completion", "Piece", "Writer"]

Array = np.ndarray
Reason = Literal["stop", "length", "context"]


class Alternative(NamedTuple):
    """An id that might have come."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a text that is being made.

    id, logprob     the token, and ln of its probability under the model
    text            what may be shown now: whole characters, nothing that may begin a stop string; perhaps nothing
    top             the most likely ids, the likeliest first, the smaller id among equals
    finish_reason   "stop", by a stop id or a stop string; "length", as many as were asked for; "context", which is
                    full; None where the text goes on
    """

    id: int
    text: str
    logprob: float
    top: tuple[Alternative, ...]
    finish_reason: Reason | None


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that was made.

    prompt          the place of its prompt among the prompts
    pieces          its tokens, one after the other
    text            without the prompt, the stop id and the stop string
    ids             every id that was drawn, also of the stop id and of the stop string
    logprobs, top   of every id, see Piece
    """

    prompt: int
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(piece.id for piece in self.pieces)

    @property
    def logprobs(self) -> tuple[float, ...]:
        return tuple(piece.logprob for piece in self.pieces)

    @property
    def top(self) -> tuple[tuple[Alternative, ...], ...]:
        return tuple(piece.top for piece in self.pieces)

    @property
    def finish_reason(self) -> Reason:
        """See Piece; "length" where no token was asked for."""
        return (self.pieces[-1].finish_reason if self.pieces else None) or "length"

    @property
    def mean_logprob(self) -> float:
        """How likely the model finds it, per token; 0 for no token."""
        return math.fsum(self.logprobs) / len(self.pieces) if self.pieces else 0.0


class Writer:
    """Turns the choices of one row into pieces."""

    def __init__(self, stops: StopStrings, ends: frozenset[int], left: int, room: float, vocab: Mapping[int, bytes]):
        self.stops, self.ends, self.left, self.room, self.vocab = stops, ends, left, room, vocab

    def piece(self, step: SamplingStep, count: int) -> Piece:
        self.left -= 1
        self.room -= 1
        reason: Reason | None = None
        text = "" if step.token in self.ends else self.stops.feed(step.token)
        if step.token in self.ends or self.stops.stopped is not None:
            reason = "stop"
        elif self.left == 0 or self.room == 0:
            reason = "length" if self.left == 0 else "context"
        if reason:
            text += self.stops.flush()
        logprobs = _log_probabilities(step.logits)
        likely = np.flatnonzero(keep_top_k(logprobs, count)) if count else np.zeros(0, np.int64)
        top = tuple(
            Alternative(int(i), self.vocab.get(int(i), b"").decode("utf-8", "replace"), float(logprobs[i]))
            for i in likely[np.argsort(-logprobs[likely], kind="stable")]
        )
        return Piece(step.token, text, float(logprobs[step.token]), top, reason)


def _log_probabilities(logits: Array) -> Array:
    """ln softmax.  logits: (V,)   →   (V,)"""
    shifted = logits - logits.max()
    result: Array = shifted - math.log(np.exp(shifted).sum())
    return result
