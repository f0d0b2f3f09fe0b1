"""AdamW on NumPy in chunks that stay in the cache: bit for bit what the readable form computes.

Leaves that lie side by side (autograd/flat.py) are one run of numbers: one loop goes over their values, gradients and
moments, shared between threads.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinylm.autograd import Tensor, writing
from tinylm.backend.memory import empty
from tinylm.backend.threads import share

__all__ = ["Moments", "Run", "runs", "update"]

CHUNK = 65536  # elements worked on at once: calls are few, and what they touch about fits a second-level cache
SHARE = 1 << 18  # elements from which another thread is worth its while


class Run:
    """Parameters that lie side by side, with as many steps behind them: their places in the optimizer's state."""

    def __init__(self, number: int, p: Tensor, t: int):
        self.members, self.t = [(number, p)], t
        self.flat = p.place.flat if p.place is not None and p.is_placed else None
        self.start, self.stop = (p.place.start, p.place.stop) if self.flat is not None and p.place else (0, p.size)

    def takes(self, p: Tensor, t: int) -> bool:
        """Whether p comes right after this run's last parameter in the same array."""
        place = p.place
        return (
            self.flat is not None and place is not None and p.is_placed and t == self.t
            and place.flat is self.flat and place.start == self.stop
        )  # fmt: skip

    def append(self, number: int, p: Tensor) -> None:
        assert p.place is not None
        self.members.append((number, p))
        self.stop = p.place.stop

    @contextmanager
    def writing(self) -> Iterator[np.ndarray]:
        """The values, (stop − start,), to be written; graphs that need just these will know."""
        if self.flat is None:
            with writing(self.members[0][1].data) as data:
                yield data.reshape(-1)
        else:
            with writing(self.flat.values[self.start : self.stop]):
                yield self.flat.values[self.start : self.stop]  # taken inside: outside it may be read-only

    @property
    def gradient(self) -> np.ndarray:
        first = self.members[0][1]
        return first.grad_data.reshape(-1) if self.flat is None else self.flat.gradients[self.start : self.stop]  # type: ignore[union-attr]


def _where(member: tuple[int, Tensor]) -> tuple[int, int]:
    number, p = member
    return (id(p.place.flat), p.place.start) if p.place is not None and p.is_placed else (0, number)


def runs(members: list[tuple[int, Tensor]], state: list[dict[str, Any]]) -> list[Run]:
    """Parameters with a gradient, as few runs as their places allow."""
    found: list[Run] = []
    for number, p in sorted(members, key=_where):
        t = state[number].get("t", 0)
        if found and found[-1].takes(p, t):
            found[-1].append(number, p)
        else:
            found.append(Run(number, p, t))
    return found


def _views(entry: dict[str, Any], arrays: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(getattr(entry.get(name), "base", None) is whole for name, whole in zip("mv", arrays, strict=True))


class Moments:
    """m and v of runs as one array each; the state of each parameter holds views of them."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, run: Run, state: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        """Both arrays, (stop − start,); made, and filled from the state, where its entries are not their views."""
        key = tuple(number for number, _ in run.members)
        arrays = self._arrays.get(key)
        if arrays is not None and all(_views(state[n], arrays) for n in key):
            return arrays
        dtype, size = run.members[0][1].dtype, run.stop - run.start
        m, v = np.zeros(size, dtype), np.zeros(size, dtype)
        at = 0
        for number, p in run.members:
            entry = state[number]
            entry.setdefault("t", 0)
            for name, whole in (("m", m), ("v", v)):
                view = whole[at : at + p.size].reshape(p.shape)
                if name in entry:
                    view[...] = entry[name]
                entry[name] = view
            at += p.size
        self._arrays = {k: pair for k, pair in self._arrays.items() if not set(k) & set(key)}
        self._arrays[key] = (m, v)
        return m, v


def update(run: Run, m: np.ndarray, v: np.ndarray, group: dict[str, Any]) -> None:
    """One step of a run; see AdamW for the equations."""
    lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
    t = run.t + 1
    root, rate, kept = math.sqrt(1 - beta2**t), lr / (1 - beta1**t), 1 - lr * group["weight_decay"]
    gradient = run.gradient
    with run.writing() as data:

        def part(start: int, stop: int) -> None:
            room = empty(min(CHUNK, stop - start), m.dtype)
            for a in range(start, stop, CHUNK):
                here = slice(a, min(a + CHUNK, stop))
                p, g, m_, v_ = data[here], gradient[here], m[here], v[here]
                x = room[: len(g)]
                m_ *= beta1
                np.multiply(g, 1 - beta1, out=x)
                m_ += x
                v_ *= beta2
                np.multiply(g, 1 - beta2, out=x)
                x *= g
                v_ += x
                np.sqrt(v_, out=x)
                x /= root
                x += eps
                np.divide(m_, x, out=x)
                x *= rate
                p *= kept
                p -= x

        share(part, len(data), SHARE)
