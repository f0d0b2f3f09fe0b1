"""Stochastic gradient descent."""

from typing import Any

from tinylm.optim.optimizer import Groups, Optimizer

__all__ = ["SGD"]


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
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * data
        if group["momentum"]:
            if "momentum" in state:
                state["momentum"] *= group["momentum"]
                state["momentum"] += gradient
            else:
                state["momentum"] = gradient.copy()
            gradient = state["momentum"]
        data -= group["lr"] * gradient
