"""Modules: named trees of parameters; knows nothing of particular layers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

import numpy as np

from tinylm.autograd import Forgotten, Tensor, flatten, listeners, tell, tensor, writing
from tinylm.autograd.watch import enter_scope, leave_scope
from tinylm.backend import backend_named, backend_of, to_host

__all__ = ["Module", "ModuleList", "Parameter"]


class Parameter(Tensor):
    """A leaf tensor that a module owns and an optimizer changes: around an array, or of nested lists of numbers."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        array = data if hasattr(data, "dtype") else tensor(data)
        super().__init__(array.data if isinstance(array, Tensor) else array, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"


class Module:
    """Something with parameters, parts and a `forward`; attributes that are parameters or modules are found by name.

    Order is the order of assignment. While a module runs, steps that watchers see carry its dotted name. Parts in a
    plain list, tuple or dict would not be found, so they raise TypeError: put them into a ModuleList.
    """

    training = True
    _name = ""

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse_hidden(name, value)
        if isinstance(value, Module):
            value._rename(name)
        super().__setattr__(name, value)

    def _refuse_hidden(self, name: str, value: Any) -> None:
        if isinstance(value, (list, tuple, dict)) and value:
            first = next(iter(value.values() if isinstance(value, dict) else value))
            if isinstance(first, Module):
                raise TypeError(
                    f"{type(self).__name__}.{name}: modules in a plain {type(value).__name__} are not found, so not "
                    "trained; use nn.ModuleList([...])"
                )

    def _rename(self, name: str) -> None:
        self._name = name

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = enter_scope(self._name)
        try:
            return self.forward(*args, **kwargs)
        finally:
            leave_scope(token)

    def __repr__(self) -> str:
        """The tree of parts: each with its class, its own parameters' shapes and how many numbers those are."""
        lines = []
        for path, module in self.named_modules():
            own = {name: p for name, p in vars(module).items() if isinstance(p, Parameter)}
            depth, name = path.count(".") + bool(path), path.rpartition(".")[2]
            text = "  " * depth + (f"{name}: " if name else "") + type(module).__name__
            if own:
                shapes = ", ".join(f"{name} {p.shape}" for name, p in own.items())
                text += f"  {shapes}  {sum(p.size for p in own.values()):,}"
            lines.append(text)
        lines[0] += f"  {sum(p.size for p in self.parameters()):,} parameters in all"
        return "\n".join(lines)

    # -- the tree ------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules directly inside, in order; raises TypeError where some hide in a plain list."""
        for name, value in vars(self).items():
            self._refuse_hidden(name, value)  # a list may have been filled after it was assigned
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "", _seen: set[int] | None = None) -> Iterator[tuple[str, "Module"]]:
        """This module and all inside it, by dotted name; one that is shared appears once, where it is first."""
        seen = set() if _seen is None else _seen
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            if id(child) not in seen:
                yield from child.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters by dotted name, in order of assignment; one that is shared appears once, where it is first."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{prefix}.{name}" if prefix else name), value

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    # -- states --------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch dropout on (or off) here and in all parts."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch dropout off here and in all parts."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None
        if listeners():
            tell(Forgotten(tuple(self.parameters())))

    def flatten(self, copy: bool = True) -> Self:
        """Put all parameters side by side into one array, and their gradients too: optimizers get faster by it.

        Each parameter is a view of that array from now on, so call it before anything keeps the old arrays.
        copy=False: their values need not come along.
        """
        flatten(list(self.parameters()), copy)
        return self

    def to(self, device: str) -> Self:
        """Move all parameters, and gradients where there are, to a device; in place, and returns self."""
        target = backend_named(device)
        for parameter in self.parameters():
            source = backend_of(parameter.data)
            if source is not target:
                gradient = parameter.grad
                parameter.grad = None
                parameter.data = target.from_host(source.to_host(parameter.data))
                if gradient is not None:
                    parameter.grad = gradient.to(device)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter on the host, by name."""
        return {name: np.array(p.numpy()) for name, p in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write arrays or tensors into the parameters of the same names, in the parameters' own dtype.

        Raises KeyError for missing or unknown names and ValueError for other shapes; then nothing was written.
        """
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unknown = [name for name in state if name not in parameters]
        if missing or unknown:
            raise KeyError(f"state does not fit: missing {_some(missing)}; unknown {_some(unknown)}")
        arrays = {}
        for name, parameter in parameters.items():
            value = state[name]
            array = value.numpy() if isinstance(value, Tensor) else np.asarray(to_host(value))
            if array.dtype.kind not in "fiub":
                raise ValueError(f"{name}: expected numbers, got {array.dtype}")
            if array.shape != parameter.shape:
                raise ValueError(f"{name}: expected shape {parameter.shape}, got {array.shape}")
            copied = array.astype(parameter.dtype, copy=array.base is not None)  # it may be a view of a parameter
            arrays[name] = backend_of(parameter.data).from_host(copied)
        for name, parameter in parameters.items():
            with writing(parameter.data) as target:
                target[...] = arrays[name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") if names else "none"


class ModuleList(Module):
    """Modules by number, as "h.0", "h.1"; a slice is a plain list."""

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Self:
        """Put a module at the end."""
        if not isinstance(module, Module):
            raise TypeError(f"ModuleList holds modules, not a {type(module).__name__}")
        number = len(self)
        setattr(self, str(number), module)
        module._rename(f"{self._name}.{number}" if self._name else str(number))
        return self

    def _rename(self, name: str) -> None:
        super()._rename(name)
        for number, module in self.named_children():  # the list itself never runs, so its parts carry its name
            module._rename(f"{name}.{number}")

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())

    @overload
    def __getitem__(self, number: int) -> Module: ...
    @overload
    def __getitem__(self, number: slice) -> list[Module]: ...
    def __getitem__(self, number: int | slice) -> Module | list[Module]:
        return list(self)[number]
