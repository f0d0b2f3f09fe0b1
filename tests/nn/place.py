"""Tensors in the place of a module's parameters, so that gradcheck can turn each of their elements."""

from collections.abc import Sequence

from tinylm import Tensor, nn


def place(module: nn.Module, names: Sequence[str], values: Sequence[Tensor]) -> None:
    """Put each tensor where the parameter of that dotted name was."""
    parts = dict(module.named_modules())
    for name, value in zip(names, values, strict=True):
        prefix, _, attribute = name.rpartition(".")
        setattr(parts[prefix], attribute, value)
