"""The rungs of the ladder as plain functions of a case, an example and a device: tests and seeded faults share them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinylm import Tensor, gradcheck, use_device, use_kernels
from tinylm.backend import backend_named, backend_of
from tinylm.ops import op_named

from .strategies import Example


@dataclass(frozen=True)
class Case:
    """One op: how it is called on tensors, its oracle, what is drawn for it, and its spelled form."""

    function: Callable[..., Tensor]
    oracle: Callable[..., np.ndarray]
    examples: st.SearchStrategy[Example]
    spelled: Callable[..., Tensor] | None = None


def beside(array: np.ndarray | None, like: Tensor) -> Any:
    """A constant on the device of `like`."""
    return None if array is None else backend_of(like.data).from_host(array)


def evaluate(function, arrays, device) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The value, and the gradient of a fixed weighted sum of it for each floating-point array."""
    backend = backend_named(device)
    leaves = [Tensor(backend.from_host(np.asarray(a)), requires_grad=a.dtype.kind == "f") for a in arrays]
    y = function(*leaves)
    assert y.device == device
    if y.requires_grad:
        weights = np.random.default_rng(0).uniform(-1.0, 1.0, y.shape)
        y.backward(backend.from_host(np.asarray(weights, dtype=y.dtype)))
    return y.numpy(), [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]


def close(got, wanted, tolerance) -> None:
    """|got − wanted| ≤ tolerance · max(1, largest |wanted|), and equal shapes."""
    assert got.shape == wanted.shape, f"shape {got.shape}, expected {wanted.shape}"
    scale = max(1.0, float(np.abs(wanted).max())) if wanted.size and wanted.dtype.kind == "f" else 1.0
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * scale)


def both_close(got, wanted, tolerance) -> None:
    """Values and gradients of two calls of `evaluate`."""
    close(got[0], wanted[0], tolerance)
    for ours, theirs in zip(got[1], wanted[1], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            close(ours, theirs, tolerance)


def check_forward(case: Case, example: Example, device: str = "numpy") -> None:
    """Rung 1: the loop oracle. Fewer than 200 roundings of 1.1e-16, on terms at most 40 times the result: 1e-12."""
    got, _ = evaluate(lambda *t: case.function(*t, **example.settings), example.arrays, device)
    wanted = case.oracle(*example.arrays, **example.settings)
    assert got.dtype == wanted.dtype
    close(got, wanted, 1e-12)


def check_gradient(case: Case, example: Example, device: str = "numpy") -> None:
    """Rung 2: every gradient has its array's shape and dtype, and agrees with numerical derivatives to 1e-6."""
    _, gradients = evaluate(lambda *t: case.function(*t, **example.settings), example.arrays, device)
    for array, gradient in zip(example.arrays, gradients, strict=True):
        assert (gradient is None) == (array.dtype.kind != "f")
        if gradient is not None:
            assert gradient.shape == array.shape
            assert gradient.dtype == array.dtype
    with use_device(device):
        gradcheck(lambda *t: case.function(*t, **example.settings), *example.arrays)


def in_float32(example: Example) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(np.float32) if a.dtype.kind == "f" else a for a in example.arrays)


def check_float32(case: Case, example: Example, device: str = "numpy") -> None:
    """Rung 4: float32 comes out, near what float64 gives for the same inputs.

    An element is made of at most `longest` terms, each at most `size`² times the largest result and rounded
    some 16 times on its way: (longest + 16) · 2⁻²⁴ · size², doubled for roundings that enter as derivatives.
    """
    narrow = in_float32(example)
    wide = tuple(a.astype(np.float64) if a.dtype.kind == "f" else a for a in narrow)
    got = evaluate(lambda *t: case.function(*t, **example.settings), narrow, device)
    wanted = evaluate(lambda *t: case.function(*t, **example.settings), wide, device)
    for ours, theirs in zip((got[0], *got[1]), (wanted[0], *wanted[1]), strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or ours.dtype == (np.float32 if theirs.dtype == np.float64 else theirs.dtype)
    longest = max([1, *(a.size for a in wide), got[0].size])
    size = max([1.0, *(float(np.abs(a).max()) for a in wide if a.size and a.dtype.kind == "f")])
    both_close(got, wanted, 2 * (longest + 16) * 2.0**-24 * size**2)


def check_spelled(case: Case, example: Example, device: str = "numpy") -> None:
    """Rung 6: the fused op equals its spelled form, both rounded as in rung 1."""
    fused = evaluate(lambda *t: case.function(*t, **example.settings), example.arrays, device)
    plain = evaluate(lambda *t: case.spelled(*t, **example.settings), example.arrays, device)
    both_close(fused, plain, 1e-12)


def check_kernel(name: str, case: Case, example: Example, device: str, dtype: Any, tolerance: float) -> None:
    """Rung 6: the kernel of `device` equals the reference in values, gradients, shapes and dtypes."""
    assert device in op_named(name).kernels
    arrays = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in example.arrays)
    got = evaluate(lambda *t: case.function(*t, **example.settings), arrays, device)
    with use_kernels("reference"):
        wanted = evaluate(lambda *t: case.function(*t, **example.settings), arrays, device)
    assert got[0].dtype == wanted[0].dtype
    both_close(got, wanted, tolerance)
