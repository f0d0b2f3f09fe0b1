"""What a model has read, kept so that the next turn costs its new tokens only; knows no text and no choice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tinylm.autograd import no_grad
from tinylm.gpt import GPT, Cache

__all__ = ["Memory"]

CHUNK = 256  # tokens read in one pass: what Ctrl-C loses of a long text


class Memory:
    """The logits after any ids; those that begin as the last ones did are not read again.

    ids         what the cache holds
    use_cache   False: every call reads all of its ids; the same up to rounding
    """

    def __init__(self, model: GPT, use_cache: bool = True):
        self.model, self.use_cache = model, use_cache
        self.ids: list[int] = []
        self._cache = Cache(model.config, 1)

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """What the model says after these ids, at most block_size of them.   →   (V,) in float64 on the host

        Raises ValueError where it says something that is not finite.
        """
        ids = list(ids)
        with self._evaluating():
            if self.use_cache:
                self._rewind(min(_shared(self.ids, ids), len(ids) - 1))
                while len(self.ids) < len(ids):
                    new = ids[len(self.ids) : len(self.ids) + CHUNK]
                    x = self.model.hidden(np.array([new]), self._cache)  # (1, T, C)
                    self.ids += new
            else:
                x = self.model.hidden(np.array([ids]))
            logits: np.ndarray = self.model.head(x[:, -1]).numpy()[0].astype(np.float64)  # (V,)
        if not np.isfinite(logits).all():
            raise ValueError("the model's logits are not finite: its weights are damaged, or its training diverged")
        return logits

    def _rewind(self, length: int) -> None:
        """Forget all but the first ids; what the cache has beyond them is written over."""
        del self.ids[length:]
        self._cache.lengths = [length]

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Dropout off and nothing recorded; each module's mode is put back."""
        on = [module for module in self.model.modules() if module.training]
        try:
            for module in on:
                module.training = False
            with no_grad():
                yield
        finally:
            for module in on:
                module.training = True


def _shared(a: list[int], b: list[int]) -> int:
    """How many ids two texts have in common from the beginning."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:  # nearly always; one comparison of lists
        return most
    return next(i for i in range(most) if a[i] != b[i])
