"""Adam with decoupled weight decay, in the readable form that defines it; adamw_numpy.py has the fast one."""

import math
from typing import Any

import numpy as np

from tinylm.autograd import Tensor, listeners, reference_kernels
from tinylm.backend import backend_of
from tinylm.optim import adamw_numpy
from tinylm.optim.optimizer import Groups, Optimizer, follow

__all__ = ["AdamW", "adamw_update"]


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

        p ← p − lr · λ · p
        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
        p ← p − lr · m̂ / (√v̂ + eps)        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    t counts the steps from 1. Loshchilov & Hutter 2019, algorithm 2, with the learning rate times λ as decay.
    """

    state_names = ("t", "m", "v")
    keeps_gradients = False

    def __init__(
        self,
        params: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay})
        self._moments = adamw_numpy.Moments()

    def step(self) -> None:
        """Change every parameter that has a gradient: long runs of them at once where they are on the CPU."""
        if reference_kernels() or listeners():  # who listens hears of every parameter; the numbers are the same
            super().step()
            return
        number = 0
        for group in self.param_groups:
            members = []
            for p in group["params"]:
                if p.grad_data is not None:
                    if _plain(p):
                        follow(self.state[number], p.data)
                        members.append((number, p))
                    else:
                        self.step_one(number, p, group)
                number += 1
            for run in adamw_numpy.runs(members, self.state):
                adamw_numpy.update(run, *self._moments.of(run, self.state), group)
                for place, _ in run.members:
                    self.state[place]["t"] += 1

    def update(self, data: Any, gradient: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        xp = backend_of(data).xp
        if not state:
            state.update(t=0, m=xp.zeros_like(data), v=xp.zeros_like(data))
        state["t"] += 1
        settings = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay")}
        adamw_update(xp, data, gradient, state["m"], state["v"], state["t"], **settings)


def adamw_update(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    t: int,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> None:
    """Step number t, counted from 1, of one parameter p with gradient g: changes p, m and v in place.

        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)
        p ← p − lr · λ · p           p ← p − lr · m̂ / (√v̂ + eps)        λ = weight_decay

    p, g, m, v: (...)   →   nothing        Loshchilov & Hutter 2019, algorithm 2
    """
    beta1, beta2 = betas
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    scaled = xp.sqrt(v, out=xp.empty_like(v))  # an array also where v is 0-d
    scaled /= math.sqrt(1 - beta2**t)
    scaled += eps
    xp.divide(m, scaled, out=scaled)
    scaled *= lr / (1 - beta1**t)
    p *= 1 - lr * weight_decay
    p -= scaled


def _plain(p: Tensor) -> bool:
    """Whether value and gradient are NumPy arrays of one type in one piece each."""
    data, gradient = p.data, p.grad_data
    return (
        type(data) is np.ndarray and type(gradient) is np.ndarray and data.dtype == gradient.dtype
        and data.flags.c_contiguous and gradient.flags.c_contiguous and data.dtype.kind == "f"
    )  # fmt: skip
