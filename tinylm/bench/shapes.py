"""The models that are measured, and how much arithmetic a step of training them is."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A GPT of nanoGPT's architecture without biases and dropout, and the batch that it is trained on."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch: int
    vocab_size: int

    @property
    def tokens(self) -> int:
        """How many targets a step trains on."""
        return self.batch * self.block_size

    @property
    def flops(self) -> int:
        """Multiplications and additions of a step's matrix products, forward and backward.

            tokens · (6 · N + 12 · L · T · C / 2)        N = 12 · L · C² + V · C

        N: the elements of all matrices that are multiplied with, the tied one as output; each costs 2 forward and 4
        backward. Attention costs 12 · L · T · C a token, and half of it where only the past is looked at. Chowdhery
        et al. 2022, appendix B.

        >>> Shape(n_layer=1, n_head=1, n_embd=2, block_size=4, batch=1, vocab_size=3).flops
        1488
        """
        L, C, T, V = self.n_layer, self.n_embd, self.block_size, self.vocab_size
        return self.tokens * (6 * (12 * L * C * C + V * C) + 6 * L * T * C)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.n_layer} layers, {self.n_embd} wide, {self.batch} x {self.block_size} tokens"


SHAPES = {
    "a": Shape(n_layer=4, n_head=4, n_embd=128, block_size=64, batch=12, vocab_size=65),  # nanoGPT's README, on a CPU
    "b": Shape(n_layer=6, n_head=6, n_embd=384, block_size=256, batch=8, vocab_size=65),  # its shakespeare_char
    "c": Shape(n_layer=12, n_head=12, n_embd=768, block_size=256, batch=1, vocab_size=50257),  # GPT-2, 124M
}
