"""Adapters for libraries of tensors: those that remember a graph and go backward, and those that transform functions.

Whatever the library, `differentiable(fn, arguments)` judges one function written in its terms, and the library itself
is judged by expressions of every kind:

    library = tensor_library(make=lambda a: Tensor(a, requires_grad=True), array=lambda t: t.data,
                             backward=lambda y, dy: y.backward(dy), grad=lambda t: t.grad)
    must_hold(laws.expressions_have_exact_gradients, library)
    must_hold(laws.gradients_are_numerical, library.differentiable(lambda x: x.tanh(), 1))
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinylm.testing.adapters.missing import wanted
from tinylm.testing.kinds import Differentiable, Library

__all__ = [
    "autograd_library",
    "jax_library",
    "minitorch_library",
    "mygrad_library",
    "needle_library",
    "tensor_library",
    "tinygrad_library",
    "tinylm_library",
    "torch_library",
    "value_library",
    "vjp_library",
]

Array = Any


def tensor_library(
    *,
    make: Callable[[Array], Any],
    array: Callable[[Any], Array],
    backward: Callable[[Any, Array], Any],
    grad: Callable[[Any], Any],
    again: Callable[[Any, Array], Any] | None = None,
    scalar: bool = False,
    name: str = "",
) -> Library:
    """A library whose tensors remember how they were made.

    make       a NumPy array → a tensor that wants a gradient
    array      tensor → NumPy array
    backward   (y, dy): put gradients at the leaves
    grad       leaf → its gradient as a NumPy array, or None
    again      (y, dy): as backward, but so that it can be called twice; None: the library has no such thing
    """

    def differentiable(fn: Callable[..., Any], arguments: int = 1) -> Differentiable:
        def forward(*arrays: Array) -> Array:
            return np.asarray(array(fn(*map(make, arrays))))

        def gradients(dy: Array, *arrays: Array) -> Sequence[Array | None]:
            leaves = [make(each) for each in arrays]
            y = fn(*leaves)
            if not any(y is leaf for leaf in leaves):
                backward(y, dy)
                return [grad(leaf) for leaf in leaves]
            return [dy if y is leaf else None for leaf in leaves]  # the identity: no library need go backward there

        return Differentiable(forward, gradients, arguments, name)

    def twice(fn: Callable[..., Any], *arrays: Array) -> Sequence[Array]:
        assert again is not None
        leaves = [make(each) for each in arrays]
        y = fn(*leaves) * 1.0
        dy = np.ones(np.shape(array(y)))
        for _ in range(2):
            again(y, dy)
        return [
            np.zeros(each.shape) if grad(leaf) is None else grad(leaf)
            for leaf, each in zip(leaves, arrays, strict=True)
        ]

    return Library(differentiable, scalar, None if again is None else twice, name)


def vjp_library(vjp: Callable[..., Any], array: Callable[[Array], Any], name: str = "") -> Library:
    """A library that transforms functions: vjp(fn, *arrays) → (y, dy → gradients of all arguments)."""

    def differentiable(fn: Callable[..., Any], arguments: int = 1) -> Differentiable:
        def forward(*arrays: Array) -> Array:
            return np.asarray(fn(*map(array, arrays)))

        def gradients(dy: Array, *arrays: Array) -> Sequence[Array]:
            y, pull = vjp(fn, *map(array, arrays))
            return [np.asarray(each) for each in pull(array(np.asarray(dy, np.asarray(y).dtype)))]

        return Differentiable(forward, gradients, arguments, name)

    return Library(differentiable, name=name)


def value_library(value: Callable[[float], Any], name: str = "") -> Library:
    """Scalar values in micrograd's way: .data, .grad, .backward(); `value` makes one of a number.

    Arrays are taken element by element, so fn maps values to one value. (karpathy/micrograd)
    """

    def take_backward(y: Any, dy: Array) -> None:
        (y * float(dy)).backward()

    return tensor_library(
        make=lambda number: value(float(number)),
        array=lambda y: np.asarray(float(y.data)),
        backward=take_backward,
        grad=lambda leaf: np.asarray(float(leaf.grad)),
        again=lambda y, dy: y.backward(),
        scalar=True,
        name=name or "values",
    )


def torch_library(dtype: Any = np.float64) -> Library:
    """PyTorch."""
    torch = wanted("torch")
    return tensor_library(
        make=lambda a: torch.tensor(np.asarray(a, dtype), requires_grad=True),
        array=lambda t: t.detach().numpy(),
        backward=lambda y, dy: y.backward(torch.tensor(dy, dtype=y.dtype)),
        again=lambda y, dy: y.backward(torch.tensor(dy, dtype=y.dtype), retain_graph=True),
        grad=lambda t: None if t.grad is None else t.grad.numpy(),
        name="torch",
    )


def tinylm_library() -> Library:
    """tinylm's own engine."""
    from tinylm.autograd import tensor

    return tensor_library(
        make=lambda a: tensor(np.asarray(a, np.float64), requires_grad=True),
        array=lambda t: t.numpy(),
        backward=lambda y, dy: y.backward(np.asarray(dy, np.float64)),
        again=lambda y, dy: y.backward(np.asarray(dy, np.float64), keep_graph=True),
        grad=lambda t: None if t.grad is None else t.grad.numpy(),
        name="tinylm",
    )


def mygrad_library() -> Library:
    """MyGrad; it clears the graph in backward, so that there is no second pass."""
    mygrad = wanted("mygrad")
    return tensor_library(
        make=lambda a: mygrad.tensor(np.array(a, np.float64)),
        array=lambda t: t.data,
        backward=lambda y, dy: y.backward(dy),
        grad=lambda t: t.grad,
        name="mygrad",
    )


def tinygrad_library() -> Library:
    """tinygrad."""
    Tensor = wanted("tinygrad").Tensor

    def differentiable(fn: Callable[..., Any], arguments: int = 1) -> Differentiable:
        def forward(*arrays: Array) -> Array:
            return fn(*[Tensor(np.asarray(a, np.float64)) for a in arrays]).numpy()

        def gradients(dy: Array, *arrays: Array) -> Sequence[Array]:
            leaves = [Tensor(np.asarray(a, np.float64)) for a in arrays]
            y = fn(*leaves)
            return [g.numpy() for g in y.gradient(*leaves, gradient=Tensor(np.asarray(dy, np.float64)))]

        return Differentiable(forward, gradients, arguments, "tinygrad")

    return Library(differentiable, name="tinygrad")


def autograd_library() -> Library:
    """HIPS autograd; fn is written with autograd.numpy."""
    make_vjp = wanted("autograd.core").make_vjp
    vspace = wanted("autograd.extend").vspace

    def vjp(fn: Callable[..., Any], *arrays: Array) -> Any:
        pull, y = make_vjp(lambda all_: fn(*all_), tuple(arrays))
        if pull is None or np.shape(y) != np.shape(fn(*arrays)):
            return y, lambda dy: vspace(tuple(arrays)).zeros()
        return y, pull

    return vjp_library(vjp, lambda a: np.asarray(a, np.float64), "autograd")


def jax_library() -> Library:
    """JAX, in float64; fn is written with jax.numpy. Switches 64 bits on, for the whole process."""
    jax = wanted("jax")
    jax.config.update("jax_enable_x64", True)
    return vjp_library(jax.vjp, lambda a: jax.numpy.asarray(a, jax.numpy.float64), "jax")


def minitorch_library(minitorch: Any) -> Library:
    """Tensors in minitorch's way: `minitorch` is the module of whoever wrote it (Cornell Tech's course).

    It has no arrays without axes: those of shape () go in as (1,), and what comes of them is made () again.
    """

    def make(a: Array) -> Any:
        flat = [float(number) for number in np.asarray(a).reshape(-1)]
        made = minitorch.Tensor.make(flat, np.shape(a) or (1,), backend=minitorch.SimpleBackend)
        made.requires_grad_(True)
        return made

    def constant(dy: Array) -> Any:
        flat = [float(number) for number in np.asarray(dy).reshape(-1)]
        return minitorch.Tensor.make(flat, np.shape(dy) or (1,), backend=minitorch.SimpleBackend)

    inner = tensor_library(
        make=make,
        array=lambda t: np.asarray(t.to_numpy()),
        backward=lambda y, dy: y.backward(constant(dy)),
        again=lambda y, dy: y.backward(constant(dy)),
        grad=lambda t: None if t.grad is None else np.asarray(t.grad.to_numpy()),
        name="minitorch",
    )

    def shaped(found: Sequence[Array | None], arrays: Sequence[Array]) -> list[Array | None]:
        pairs = zip(found, arrays, strict=True)
        return [g if g is None or np.shape(x) or np.shape(g) != (1,) else np.reshape(g, ()) for g, x in pairs]

    def differentiable(fn: Callable[..., Any], arguments: int = 1) -> Differentiable:
        plain = inner.differentiable(fn, arguments)

        def forward(*arrays: Array) -> Array:
            y = plain.forward(*arrays)
            alone = y.shape == (1,) and not any(np.shape(each) for each in arrays)
            return y.reshape(()) if alone else y

        return Differentiable(
            forward, lambda dy, *arrays: shaped(plain.gradients(dy, *arrays), arrays), arguments, "minitorch"
        )

    def twice(fn: Callable[..., Any], *arrays: Array) -> Sequence[Array | None]:
        assert inner.twice is not None
        return shaped(inner.twice(fn, *arrays), arrays)

    return Library(differentiable, twice=twice, name="minitorch")


def needle_library(needle: Any) -> Library:
    """Tensors in needle's way: `needle` is the module of whoever wrote it (CMU's course 10-414); arrays in float64."""
    return tensor_library(
        make=lambda a: needle.Tensor(np.asarray(a, np.float64), requires_grad=True),
        array=lambda t: np.asarray(t.numpy()),
        backward=lambda y, dy: y.backward(needle.Tensor(np.asarray(dy, np.float64), requires_grad=False)),
        grad=lambda t: np.asarray(t.grad.numpy()) if getattr(t, "grad", None) is not None else None,
        name="needle",
    )
