"""Parts of a batch side by side: forward and backward of each on a thread of its own, gradients added afterwards."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinylm.autograd import Leaves, Tensor, gradients_into
from tinylm.autograd.watch import watchers
from tinylm.backend import to_host
from tinylm.backend.threads import share, side_by_side
from tinylm.functional import IGNORED
from tinylm.nn import Dropout, Module
from tinylm.ops.op import Part

__all__ = ["Shards", "counted", "loss_of"]

Array = Any
LARGE = 1 << 19  # numbers from which adding them up is worth more than one thread


def counted(y: Any) -> int:
    """How many of a batch's targets are trained on: all that are not IGNORED."""
    ids = y.data if isinstance(y, Tensor) else y
    return int(np.count_nonzero((to_host(ids) if hasattr(ids, "dtype") else np.asarray(ids)) != IGNORED))


def loss_of(model: Module, x: Any, y: Any) -> Tensor:
    """The second of model(x, y), by `model.loss_alone(x, y)` where the model offers that to spare the logits' memory.

    A class that defines a `forward` of its own above the one with `loss_alone` is asked by its forward. Where targets
    are IGNORED, the model is told so: `ignore_index=IGNORED`.
    """
    more = {"ignore_index": IGNORED} if counted(y) < np.size(y) else {}
    for kind in type(model).__mro__:
        if "loss_alone" in vars(kind):
            return model.loss_alone(x, y, **more)  # type: ignore[attr-defined, no-any-return]
        if "forward" in vars(kind):
            break
    return model(x, y, **more)[1]  # type: ignore[no-any-return]


class _Gradients(Leaves):
    """Gradients kept apart from the leaves: each leaf has a twin over the same values, which collects them."""

    def __init__(self) -> None:
        self._twins: dict[int, tuple[Tensor, Tensor]] = {}

    def _twin(self, leaf: Tensor) -> Tensor:
        _, twin = self._twins.get(id(leaf), (leaf, None))
        if twin is None or twin.data is not leaf.data:
            twin = Tensor(leaf.data)
            self._twins[id(leaf)] = leaf, twin  # the leaf too, so that its id stays its own
        return twin

    def place(self, leaf: Tensor) -> Array | None:
        return self._twin(leaf).gradient_place()

    def add(self, leaf: Tensor, gradient: Array | Part) -> None:
        self._twin(leaf).accumulate(gradient)

    def pour(self) -> None:
        """Add everything to the leaves' own gradients."""
        pairs = [pair for pair in self._twins.values() if pair[1].grad_data is not None]

        def some(start: int, stop: int) -> None:
            for leaf, twin in pairs[start:stop]:
                leaf.accumulate(twin.grad_data)
                twin.grad = None

        large = sum(leaf.size for leaf, _ in pairs) > LARGE
        share(some, len(pairs), max(1, len(pairs) // 4) if large else len(pairs))


class Shards:
    """Splits batches of a model whose loss is a mean over rows that do not see each other, as a GPT's is."""

    def __init__(self, model: Module, count: int):
        self.model, self.count = model, count
        self._dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
        self._others = [_Gradients() for _ in range(count - 1)]

    def allowed(self) -> bool:
        """Whether parts may run side by side: nobody watches, no dropout draws from one stream, and no GPU is used."""
        if watchers() or any(module.p > 0 for module in self._dropouts):
            return False
        return all(type(p.data) is np.ndarray for p in self.model.parameters())

    def loss_and_gradients(self, x: Any, y: Any, weight: float) -> float:
        """The mean loss of a batch; `weight` times its gradients are added to the parameters'.

        x, y: (B, T). Parts differ by at most one row. Raises what the model raises; the first part's gradients may
        have been added by then, those of the others are dropped.
        """
        rows = len(x)
        count = max(1, min(self.count, rows))
        if count == 1:
            return self._run(x, y, 1.0, weight)
        ends, total = [rows * part // count for part in range(count + 1)], max(counted(y), 1)
        try:
            tasks: list[Callable[[], float]] = [
                partial(self._part, number, x[a:b], y[a:b], counted(y[a:b]) / total, weight)
                for number, (a, b) in enumerate(itertools.pairwise(ends))
            ]
            losses = side_by_side(tasks)
        except BaseException:
            self._others = [_Gradients() for _ in self._others]  # what was gathered counts nothing
            raise
        for gradients in self._others[: count - 1]:
            gradients.pour()
        return sum(losses)

    def _part(self, number: int, x: Any, y: Any, share_of_loss: float, weight: float) -> float:
        if number:
            with gradients_into(self._others[number - 1]):
                return self._run(x, y, share_of_loss, weight)
        return self._run(x, y, share_of_loss, weight)

    def _run(self, x: Any, y: Any, share_of_loss: float, weight: float) -> float:
        loss = loss_of(self.model, x, y)
        loss.backward(weight * share_of_loss)
        return float(loss.item()) * share_of_loss
