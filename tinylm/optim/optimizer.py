"""What every optimizer is: parameters in groups, a state for each, and steps; knows nothing of models or losses."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import Forgotten, Tensor, listeners, tell, writing
from tinylm.backend import backend_of, to_host
from tinylm.nn import Module

__all__ = ["Groups", "Optimizer", "Updated", "decay_groups", "follow", "listed"]

Groups = Tensor | Iterable[Tensor] | Iterable[Mapping[str, Any]]


def decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """The usual two groups: matrices and tables decay, gains and biases do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def listed(params: Any) -> list[Any]:
    """What was given, as a list; one tensor alone is one parameter, not its rows."""
    return [params] if isinstance(params, Tensor) else list(params)


def follow(state: dict[str, Any], data: Any) -> None:
    """Bring a parameter's state to where its array is now, as after model.to(...)."""
    home = backend_of(data)
    for name, value in state.items():
        if hasattr(value, "dtype") and backend_of(value) is not home:
            state[name] = home.from_host(to_host(value))


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if hasattr(value, "dtype") else value for name, value in values.items()}


def _check_settings(group: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that no optimizer can mean."""
    for name in ("lr", "eps", "weight_decay", "momentum"):
        if name in group and not 0 <= group[name] < math.inf:
            raise ValueError(f"optimizer: {name} must be a number from 0 up, got {group[name]!r}")
    betas = group.get("betas", (0, 0))
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"optimizer: betas must be two numbers from 0 up, below 1; got {betas!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Updated:
    """One parameter followed its gradient: what it and its state were, and what they have become.

    optimizer   the name of its class; equation: the class's docstring
    gradient    a copy, as the update found it
    settings    those of the parameter's group: lr, betas, ...
    before      copies: "p", the value, and the optimizer's state by name; nothing of the state on the first step
    after       the arrays themselves, which the next step will overwrite
    """

    optimizer: str
    equation: str
    parameter: Tensor
    gradient: Any
    settings: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


class Optimizer:
    """Parameters in groups, each with its settings; a state of arrays for every parameter.

    param_groups   list of dicts: "params" and the group's settings, which may be changed between steps, as in PyTorch
    """

    state_names: tuple[str, ...] = ()
    keeps_gradients = True  # whether `update` may keep its gradient; where not, that array serves for the next one too

    def __init__(self, params: Groups, defaults: dict[str, Any]):
        entries = listed(params)
        if not entries:
            raise ValueError("optimizer: there are no parameters")
        groups = entries if isinstance(entries[0], Mapping) else [{"params": entries}]
        self.param_groups: list[dict[str, Any]] = []
        self.state: list[dict[str, Any]] = []
        seen: set[int] = set()
        for group in groups:
            assert isinstance(group, Mapping)
            unknown = set(group) - {"params"} - set(defaults)
            if unknown:
                raise ValueError(f"optimizer: unknown setting {sorted(unknown)}; known are {sorted(defaults)}")
            members = listed(group["params"])
            for p in members:
                if not isinstance(p, Tensor):
                    raise TypeError(f"optimizer: expected tensors, got a {type(p).__name__}")
                if p.node is not None:
                    raise ValueError(
                        f"optimizer: got the result of {p.node.op.name}, which a step would not change for good; "
                        "give the leaf it was made from, or a tensor of its own: x.detach().copy()"
                    )
                if id(p) in seen:
                    raise ValueError("optimizer: a parameter appears twice")
                seen.add(id(p))
            self.param_groups.append({**defaults, **group, "params": members})
            _check_settings(self.param_groups[-1])
            self.state += [{} for _ in members]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None
        if listeners():
            tell(Forgotten(tuple(p for group in self.param_groups for p in group["params"])))

    def step(self) -> None:
        """Change every parameter that has a gradient; its state follows a parameter that was moved."""
        number = 0
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad_data is not None:
                    self.step_one(number, p, group)
                number += 1

    def step_one(self, number: int, p: Tensor, group: dict[str, Any]) -> None:
        """Change one parameter, whose state is `self.state[number]`."""
        follow(self.state[number], p.data)
        before = _copied({"p": p.data, **self.state[number]}) if listeners() else None
        with writing(p.data) as data:
            gradient = p.grad.data if self.keeps_gradients and p.grad is not None else p.grad_data
            used = gradient.copy() if before is not None and gradient is not None else gradient
            self.update(data, gradient, self.state[number], group)
        if before is not None:
            settings = {name: value for name, value in group.items() if name != "params"}
            after = {"p": p.data, **self.state[number]}
            tell(Updated(type(self).__name__, type(self).__doc__ or "", p, used, settings, before, after))

    def update(self, data: Any, gradient: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change one parameter's array in place."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The state of each parameter in order (arrays on the host, copied) and the settings of each group."""
        state = [
            {k: np.array(to_host(v)) if hasattr(v, "dtype") else v for k, v in entry.items()} for entry in self.state
        ]
        groups = [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups]
        return {"state": state, "groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state; raises ValueError where it does not fit these parameters."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        if len(saved["state"]) != len(parameters) or len(saved["groups"]) != len(self.param_groups):
            raise ValueError(
                f"optimizer state is for {len(saved['state'])} parameters in {len(saved['groups'])} groups; "
                f"here are {len(parameters)} in {len(self.param_groups)}"
            )
        for group, settings in zip(self.param_groups, saved["groups"], strict=True):
            if set(settings) != set(group) - {"params"}:
                raise ValueError(
                    f"optimizer state has settings {sorted(settings)}, here are {sorted(set(group) - {'params'})}"
                )
            _check_settings(settings)
        for p, entry in zip(parameters, saved["state"], strict=True):
            if entry and set(entry) != set(self.state_names):
                raise ValueError(f"optimizer state has {sorted(entry)}, this one keeps {sorted(self.state_names)}")
            for name, value in entry.items():
                if name == "t" and (type(value) is not int or not 0 <= value < 1 << 53):
                    raise ValueError(f"optimizer state t must be a whole number of steps, got {value!r}")
                if name != "t" and getattr(getattr(value, "dtype", None), "kind", "") != "f":
                    raise ValueError(f"optimizer state {name} must be an array of floating-point numbers")
                if hasattr(value, "dtype") and tuple(value.shape) != p.shape:
                    raise ValueError(f"optimizer state {name} has shape {value.shape}, its parameter {p.shape}")
        for place, (p, entry) in enumerate(zip(parameters, saved["state"], strict=True)):
            backend = backend_of(p.data)
            self.state[place] = {
                k: backend.from_host(np.array(to_host(v), dtype=p.dtype)) if hasattr(v, "dtype") else v
                for k, v in entry.items()
            }
        for group, settings in zip(self.param_groups, saved["groups"], strict=True):
            group.update(settings)
