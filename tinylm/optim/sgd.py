"""Stochastic gradient descent."""

from typing import Any

from tinylm.optim.optimizer import Groups, Optimizer

__all__ = ["SGD", "sgd_update"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        b ← momentum · b + g + weight_decay · p        p ← p − lr · b

    The first b is g itself. As torch.optim.SGD without dampening.
    """

    state_names = ("momentum",)
    keeps_gradients = False

    def __init__(self, params: Groups, lr: float, momentum: float = 0.0, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def update(self, data: Any, gradient: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        settings = {name: group[name] for name in ("lr", "momentum", "weight_decay")}
        b = sgd_update(data, gradient, state.get("momentum"), **settings)
        if b is not None:
            state["momentum"] = b


def sgd_update(p: Any, g: Any, b: Any, *, lr: float, momentum: float, weight_decay: float) -> Any:
    """One step of a parameter p with gradient g: changes p in place and returns the new b, the average it follows.

        b ← momentum · b + g + weight_decay · p        p ← p − lr · b

    p, g: (...)   b: (...), or None before the first step   →   the new b; the first is g + weight_decay · p

    Without momentum nothing is remembered, and None returned.
    """
    if weight_decay:
        g = g + weight_decay * p
    if momentum:
        if b is not None:
            b *= momentum
            b += g
        else:
            b = g.copy()
        g = b
    p -= lr * g
    return b
