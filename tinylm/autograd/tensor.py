"""The tensor: an array plus the node that made it, and `apply`, which runs an op on tensors."""

import operator
import time
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Union

import numpy as np

from tinylm.autograd.engine import Node, run_backward
from tinylm.autograd.flat import Place
from tinylm.autograd.guard import GraphError, is_held, writing
from tinylm.autograd.modes import grad_enabled, reference_kernels
from tinylm.autograd.watch import Step, scope, watchers
from tinylm.backend import NUMPY, DeviceError, backend_named, backend_of, current_backend
from tinylm.backend.memory import owns_memory
from tinylm.ops import (
    Op,
    activation,
    arithmetic,
    comparison,
    indexing,
    matmul,
    reduction,
    shape,
)
from tinylm.ops.op import Part

__all__ = ["Operand", "Tensor", "apply", "tensor"]

Array = Any
Operand = Union["Tensor", Array, float, int, bool]
Axis = int | tuple[int, ...] | None

_SCALARS = frozenset((float, int, bool))
_LISTS = frozenset((list, tuple))


def _bare(value: Any) -> Any:
    """The array or the plain Python number inside an operand.

    NumPy scalars become Python numbers: as float64 they would turn float32 arrays into float64.
    """
    if isinstance(value, Tensor):
        return value.data
    if type(value) in _SCALARS or value is None:
        return value
    if isinstance(value, np.generic):
        return value.item()
    return value


def _explain_owners(op: Op, arrays: Sequence[Any]) -> DeviceError:
    names = op.arrays * len(arrays) if op.variadic else op.arrays
    owners = [
        f"{name} is on {backend_of(array).name}"
        for name, array in zip(names, arrays, strict=False)
        if hasattr(array, "dtype")
    ]
    return DeviceError(f'{op.name}: {", ".join(owners)}; move one, as in x.to("{backend_of(arrays[0]).name}")')


def _complete(op: Op, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs with None for optional ones that were left out; raises TypeError where too few or too many came."""
    missing = op.arrays[len(inputs) :]
    if op.variadic and inputs:
        return inputs
    if op.variadic or len(inputs) > len(op.arrays) or not set(missing) <= set(op.optional):
        names = ", ".join(f"{name}=None" if name in op.optional else name for name in op.arrays)
        raise TypeError(f"{op.name} takes the arrays ({'*' * op.variadic}{names}), got {len(inputs)} of them")
    return inputs + (None,) * len(missing)


def _is_view(output: np.ndarray, arrays: Sequence[Any]) -> bool:
    """Whether an output is a part of an input, and not that input itself."""
    if any([output is array for array in arrays]):  # noqa: C419
        return False
    return any([isinstance(array, np.ndarray) and np.may_share_memory(output, array) for array in arrays])  # noqa: C419


def apply(op: Op, *inputs: Any, **settings: Any) -> "Tensor":
    """Run an op on tensors, arrays and Python numbers, and record it where an input wants a gradient.

    The arrays' owner decides where it runs and which kernel. Raises DeviceError for mixed owners, TypeError for lists,
    for too few or too many inputs and for a forward that does not return (output, kept).
    """
    if len(inputs) != len(op.arrays):
        inputs = _complete(op, inputs)
    arrays, edges, recording, here = [], [], False, True  # here: all arrays are plain NumPy ones
    grad = grad_enabled()
    for value in inputs:
        edge = None
        if isinstance(value, Tensor):
            array = value.data
            if grad and value.requires_grad:
                edge, recording = value.node or value, True
        else:
            array = _bare(value)
            if type(array) in _LISTS:
                raise TypeError(
                    f"{op.name}: expected tensors, arrays or numbers, got a {type(array).__name__}; use tensor()"
                )
        if type(array) is not np.ndarray and array is not None:
            here = False
        arrays.append(array)
        edges.append(edge)
    if here and arrays[0] is not None:
        backend = NUMPY
    else:
        if type(arrays[0]) in _SCALARS and not any(hasattr(array, "dtype") for array in arrays):
            arrays[0] = tensor(arrays[0]).data
        try:
            backend = backend_of(*arrays)
        except DeviceError:
            raise _explain_owners(op, arrays) from None
    kernel = op.kernel_for(backend.name, reference=reference_kernels())
    seen = watchers()
    started = time.perf_counter() if seen else 0.0
    if kernel.asks:
        returned = kernel.forward(backend.xp, *arrays, recording=recording, **settings)
    else:
        returned = kernel.forward(backend.xp, *arrays, **settings)
    if type(returned) is not tuple or len(returned) != 2 or not isinstance(returned[1], dict):
        raise TypeError(
            f"{op.name}: forward must return the output and what backward needs, it returned a "
            f"{type(returned).__name__}; type: return y, keep(x=x), or keep() where backward needs nothing"
        )
    output, kept = returned
    if type(output) is not backend.array_type:
        if not isinstance(output, (backend.array_type, np.generic, float, int)):
            raise TypeError(f"{op.name}: forward must give one array on {backend.name}, not a {type(output).__name__}")
        output = backend.xp.asarray(output)  # NumPy's reductions to 0-d give scalars
    if backend is NUMPY and not owns_memory(output) and _is_view(output, arrays):
        output.setflags(write=False)  # whoever writes must write through the owner of the memory
    result = Tensor(output)
    result._made = True
    if recording and output.dtype.kind == "f":
        result.requires_grad = True
        result.node = Node(op, kernel, backend, tuple(edges), kept, settings, output, scope())
    if seen:
        backend.synchronize()
        elapsed = time.perf_counter() - started
        number = result.node.number if result.node is not None else None
        step = Step("forward", op, tuple(arrays), kept, (output,), settings, number, scope(), elapsed)
        for watcher in seen:
            watcher(step)
    return result


class Tensor:
    """An array that remembers how it was made, so that gradients can flow back.

    data            the array itself, of NumPy, CuPy or the strict stand-in
    requires_grad   whether backward reaches it
    grad            for leaves: the gradient so far, a tensor, or None
    node            the op that made it; None for a leaf

    Operators and methods have NumPy's names and broadcasting. Python numbers take the tensor's dtype.
    `+=`, `-=`, `*=` and `/=` write into a leaf and make a new tensor of a result: see `__iadd__`.

    >>> x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __array_ufunc__ = None  # so that ndarray + tensor asks the tensor
    __slots__ = ("__weakref__", "_grad", "_home", "_lent", "_made", "data", "node", "place", "requires_grad")

    def __init__(self, data: Array, requires_grad: bool = False):
        if isinstance(data, Tensor) or not hasattr(data, "dtype"):
            raise TypeError(f"a Tensor is made around an array, not a {type(data).__name__}; use tensor(...)")
        if requires_grad and data.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require a gradient; this one is {data.dtype}")
        self.data = data
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self._made = False  # by an op, recorded or not: then += and its like leave the array alone
        self._grad: Array | None = None
        self._home: Array | None = None  # a leaf's array for its gradient, used again after zero_grad
        self._lent = False  # whether somebody may still look at it
        self.place: Place | None = None  # in an array that many leaves share; see flat.py

    def __getstate__(self) -> tuple[Any, ...]:
        """What a copy or a pickle takes along: not where value and gradient lie, which are the original's own."""
        return self.data, self.requires_grad, self.node, self._made, self._grad

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.data, self.requires_grad, self.node, self._made, gradient = state
        if isinstance(getattr(self.data, "base", None), bytes):  # as pickle leaves it: memory that no one may write
            self.data = self.data.copy()
        self._grad = None if gradient is None else gradient.copy()
        self._home, self._lent, self.place = None, False, None

    # -- what it is ----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        return int(self.data.size)

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def device(self) -> str:
        """The name of the array's owner: "numpy", "cupy" or "strict"."""
        return backend_of(self.data).name

    @property
    def T(self) -> "Tensor":  # noqa: N802  (NumPy's name)
        return self.transpose()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=1000)
        extras = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        if self.device != "numpy":
            extras += f", device={self.device!r}"
        if self.node is not None:
            extras += f", from={self.node.op.name}"
        elif self.requires_grad:
            extras += ", requires_grad=True"
        return f"tensor({body}{extras})"

    # -- crossings to the host -----------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: read-only and without a copy where they are on the host already."""
        host = backend_of(self.data).to_host(self.data)
        view = host.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The one value of a tensor of size 1, as a Python number; raises ValueError for other sizes."""
        if self.size != 1:
            raise ValueError(f"item() is for one value; this tensor has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.device != "numpy":
            raise TypeError(f"this tensor is on {self.device}; bring it to the host with .numpy()")
        if self.requires_grad and grad_enabled():
            raise TypeError(
                "NumPy would cut this tensor, which requires a gradient, off from its graph: use "
                "functional.stack or functional.concatenate to join tensors, .detach() or .numpy() to cut it on purpose"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"only a tensor of one whole number is an index; this one is {self.dtype}")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        """As the Python number, f"{loss:.3f}", where the tensor holds one value and the format says how."""
        return format(self.item(), spec) if spec and self.size == 1 else super().__format__(spec)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("the truth of a tensor with several values is ambiguous; use .numpy().any() or .all()")
        return bool(self.item())

    def to(self, device: str) -> "Tensor":
        """The tensor on another device; itself where it is there already. Gradients do not cross: move leaves."""
        target = backend_named(device)
        source = backend_of(self.data)
        if target is source:
            return self
        if self.node is not None and grad_enabled():
            raise GraphError("to() moves leaves, not results: move the inputs, or detach() first")
        return Tensor(target.from_host(source.to_host(self.data)), self.requires_grad and self.node is None)

    def detach(self) -> "Tensor":
        """The same values, cut off from the graph; the array is shared."""
        twin = Tensor(self.data)
        twin._made = self._made
        return twin

    # -- gradients -----------------------------------------------------------------------------------

    @property
    def grad(self) -> "Tensor | None":
        if self._grad is None:
            return None
        self._lent = True
        return Tensor(self._grad)

    @grad.setter
    def grad(self, value: "Tensor | Array | None") -> None:
        if self._lent:  # the gradient that somebody took stays as it was
            self._home, self._lent = None, False
            self.place = None  # nor may the shared array be written there
        self._grad = None if value is None else self._like_self(value, "grad").copy()

    @property
    def grad_data(self) -> Array | None:
        """The gradient's bare array, for those who change it at once and keep no reference, as optimizers do."""
        return self._grad

    @property
    def is_placed(self) -> bool:
        """Whether value and gradient are where `place` says, in arrays that other leaves share."""
        place = self.place
        return place is not None and self.data is place.values and self._grad is not None and self._grad is self._home

    def _like_self(self, value: Any, what: str) -> Array:
        """The array in `value`, after a look at its owner, dtype and shape."""
        array = _bare(value)
        owner = backend_of(self.data)
        kind: Any = owner.array_type
        if not isinstance(array, kind):
            raise TypeError(f"{what} must be a tensor or array on {owner.name}, got a {type(array).__name__}")
        if array.shape != self.data.shape or array.dtype != self.data.dtype:
            raise ValueError(f"{what} must be {self.dtype} of shape {self.shape}, got {array.dtype} of {array.shape}")
        return array

    def gradient_place(self) -> Array | None:
        """An array that the whole gradient may be written into and given to `accumulate`; None where there is one."""
        if self._grad is not None or type(self.data) is not np.ndarray:
            return None
        home = self._home
        if home is None or home.shape != self.data.shape or home.dtype != self.data.dtype:
            home = self._new_home()
        if not home.flags.writeable:  # a graph needs it, or what lies beside it
            return None
        self._home = home
        return home

    def _new_home(self) -> np.ndarray:
        if self.place is not None and self.data is self.place.values:
            return self.place.gradient()
        return np.empty(self.data.shape, self.data.dtype)

    def accumulate(self, gradient: "Array | Part") -> None:
        """Add to the gradient of a leaf. The first one is copied, unless it was written into `gradient_place`."""
        if self._grad is None:
            place = self.gradient_place()
            if place is None:
                self._grad = gradient.whole(backend_of(self.data).xp) if isinstance(gradient, Part) else gradient.copy()
                return
            if isinstance(gradient, Part):
                place[...] = 0
                place[gradient.index] = gradient.values
            elif gradient is not place:
                np.copyto(place, gradient, casting="no")
            self._grad = place
        else:
            if is_held(self._grad) or not isinstance(self._grad, np.ndarray):
                self._grad = self._grad.copy()  # it is an input of some graph itself, or on a device may be
            if isinstance(gradient, Part):
                self._grad[gradient.index] += gradient.values
            else:
                self._grad += gradient

    def backward(self, grad: "Tensor | Array | None" = None, keep_graph: bool = False) -> None:
        """Add d self / d leaf, times `grad`, to the `.grad` of every leaf that requires a gradient.

        grad: the gradient of self, with self's shape; may be left out where self is one number.
        keep_graph: keep what backward needs, so that it can be called again; else it is freed on the way.
        Raises GraphError for a spent graph, ValueError for a missing or misshapen `grad`.
        """
        if not self.requires_grad:
            raise GraphError("backward: nothing here requires a gradient; make a tensor with requires_grad=True")
        xp = backend_of(self.data).xp
        if grad is None:
            if self.size != 1:
                raise ValueError(f"backward: of shape {self.shape}; only one number has an implied gradient: give grad")
            grad = xp.ones(self.data.shape, dtype=self.data.dtype)
        array = _bare(grad)
        if isinstance(array, (float, int)):
            array = xp.full(self.data.shape, array, dtype=self.data.dtype)
        else:
            array = self._like_self(array, "backward: grad")
        if self.node is None:
            self.accumulate(array)
        else:
            run_backward(self.node, array, keep_graph)

    # -- writing -------------------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Operand) -> None:
        """Write into a leaf's array. A graph that needs the old values will refuse to run backward."""
        if self.node is not None:
            raise GraphError(
                f"this tensor was made by {self.node.op.name}, and others may depend on it: "
                "write into a leaf, or make a new tensor with functional.where"
            )
        if self.requires_grad and grad_enabled():
            raise GraphError("writing into a tensor that requires a gradient is not recorded; use no_grad()")
        with writing(self.data) as array:
            array[_index(index)] = _bare(value)

    def _in_place(self, operation: Callable[[Array, Array], Array], other: Operand) -> Any:
        """`self operation= other`, or NotImplemented where Python shall compute out of place; see `__iadd__`."""
        recording = grad_enabled()
        if self._made or (recording and not self.requires_grad and getattr(other, "requires_grad", False)):
            return NotImplemented
        if type(other) in _LISTS:
            return NotImplemented  # refused there, as NumPy's += alone would take it
        if self.requires_grad and recording:
            raise GraphError(
                "writing into a tensor that requires a gradient is not recorded; use no_grad(), "
                "or x = x + y where a new tensor is meant"
            )
        value = _bare(other)
        backend_of(self.data, value)  # raises DeviceError where two owners meet
        with writing(self.data) as array:
            operation(array, value)
        return self

    def __iadd__(self, other: Operand) -> "Tensor":
        """Write into a leaf's array by the rule of `x[...] = v`; for what an op made, `x = x + y`.

        Results, views as x[0] among them, are never overwritten, recorded or not, so a model computes the same with
        and without `no_grad()`; to write into a part, x[0] += y. In `total += loss` total becomes `total + loss`
        also where loss requires a gradient and total is a leaf that does not. The same holds for `-=`, `*=`, `/=`.

        Raises GraphError for a leaf that requires a gradient outside of `no_grad()`, ValueError where the shape would
        change, TypeError where the dtype cannot hold the result.

        >>> from tinylm import no_grad
        >>> w = tensor([1.0, 2.0], requires_grad=True)
        >>> with no_grad():
        ...     w -= tensor([0.5, 0.5])
        >>> w
        tensor([0.5, 1.5], requires_grad=True)
        """
        return self._in_place(operator.iadd, other)  # type: ignore[no-any-return]

    def __isub__(self, other: Operand) -> "Tensor":
        return self._in_place(operator.isub, other)  # type: ignore[no-any-return]

    def __imul__(self, other: Operand) -> "Tensor":
        return self._in_place(operator.imul, other)  # type: ignore[no-any-return]

    def __itruediv__(self, other: Operand) -> "Tensor":
        return self._in_place(operator.itruediv, other)  # type: ignore[no-any-return]

    # -- operators -----------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.add, self, other)

    def __radd__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.add, other, self)

    def __sub__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.subtract, self, other)

    def __rsub__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.subtract, other, self)

    def __mul__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.multiply, self, other)

    def __rmul__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.multiply, other, self)

    def __truediv__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.divide, self, other)

    def __rtruediv__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.divide, other, self)

    def __pow__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.power, self, other)

    def __rpow__(self, other: Operand) -> "Tensor":
        return apply(arithmetic.power, other, self)

    def __matmul__(self, other: Operand) -> "Tensor":
        return apply(matmul.matmul, self, other)

    def __rmatmul__(self, other: Operand) -> "Tensor":
        return apply(matmul.matmul, other, self)

    def __neg__(self) -> "Tensor":
        return apply(arithmetic.negative, self)

    def __abs__(self) -> "Tensor":
        return apply(arithmetic.absolute, self)

    def __gt__(self, other: Operand) -> "Tensor":
        return apply(comparison.greater, self, other)

    def __ge__(self, other: Operand) -> "Tensor":
        return apply(comparison.greater_equal, self, other)

    def __lt__(self, other: Operand) -> "Tensor":
        return apply(comparison.less, self, other)

    def __le__(self, other: Operand) -> "Tensor":
        return apply(comparison.less_equal, self, other)

    def __eq__(self, other: Operand) -> "Tensor":  # type: ignore[override]
        return apply(comparison.equal, self, other)

    def __ne__(self, other: Operand) -> "Tensor":  # type: ignore[override]
        return apply(comparison.not_equal, self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> "Tensor":
        return apply(indexing.getitem, self, index=_index(index))

    # -- methods with NumPy's names ------------------------------------------------------------------

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(reduction.sum_, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(reduction.mean, self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(reduction.var, self, axis=axis, keepdims=keepdims)

    def std(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return self.var(axis, keepdims).sqrt()

    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(reduction.max_, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return apply(reduction.min_, self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> "Tensor":
        return apply(comparison.argmax, self, axis=axis)

    def reshape(self, *sizes: int | tuple[int, ...]) -> "Tensor":
        return apply(shape.reshape, self, shape=_spread(sizes))

    def transpose(self, *axes: int | tuple[int, ...] | None) -> "Tensor":
        order = None if not axes or axes[0] is None else _spread(axes)
        return apply(shape.transpose, self, axes=order)

    def swapaxes(self, first: int, second: int) -> "Tensor":
        axes = list(range(self.ndim))
        axes[first], axes[second] = axes[second], axes[first]
        return apply(shape.transpose, self, axes=tuple(axes))

    def flatten(self) -> "Tensor":
        return self.reshape(-1)

    def ravel(self) -> "Tensor":
        return self.reshape(-1)

    def squeeze(self, axis: Axis = None) -> "Tensor":
        return self.reshape(np.empty(self.shape, dtype=[]).squeeze(axis).shape)

    def copy(self) -> "Tensor":
        """The same values in an array of their own, still part of the graph; a leaf where nothing is recorded."""
        result = self.astype(self.dtype)
        result._made = result.node is not None
        return result

    def abs(self) -> "Tensor":
        return apply(arithmetic.absolute, self)

    def sin(self) -> "Tensor":
        return apply(arithmetic.sin, self)

    def cos(self) -> "Tensor":
        return apply(arithmetic.cos, self)

    def clip(self, min: Operand | None = None, max: Operand | None = None) -> "Tensor":  # noqa: A002  (NumPy's names)
        x = self if min is None else apply(arithmetic.maximum, self, min)
        return x if max is None else apply(arithmetic.minimum, x, max)

    def exp(self) -> "Tensor":
        return apply(arithmetic.exp, self)

    def log(self) -> "Tensor":
        return apply(arithmetic.log, self)

    def sqrt(self) -> "Tensor":
        return apply(arithmetic.sqrt, self)

    def tanh(self) -> "Tensor":
        return apply(activation.tanh, self)

    def astype(self, dtype: Any) -> "Tensor":
        return apply(arithmetic.astype, self, dtype=np.dtype(dtype))


def _spread(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Both spellings of NumPy: reshape(2, 3) and reshape((2, 3))."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


def _index(index: Any) -> Any:
    """An index with the arrays of tensors taken out, and NumPy's whole numbers as Python's."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    if isinstance(index, (slice, EllipsisType, list)):
        return index
    return _bare(index)


def tensor(data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested lists, an array of any owner, or a tensor.

    dtype: as given; else an array keeps its own, Python floats become float32 and whole numbers int64.
    device: as given; else a tensor and an array of a GPU stay where they are, and host data go to the current
    device (`use_device`).

    >>> tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    >>> tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    values = _bare(data)
    target = backend_named(device) if device else current_backend()
    if hasattr(values, "dtype") and not isinstance(data, np.generic):
        source = backend_of(values)
        if not device and (source.name != "numpy" or isinstance(data, Tensor)):
            target = source
        array = values if target is source else target.from_host(source.to_host(values))
    else:
        host = np.array(values)
        if host.dtype.kind not in "fiub":
            raise TypeError(f"tensor: expected numbers or bools in a regular nest, got {type(data).__name__}: {data!r}")
        if isinstance(data, np.generic):
            host = host.astype(data.dtype)
        elif host.dtype == np.float64:
            host = host.astype(np.float32 if dtype is None else dtype)
        array = target.from_host(host)
    array = target.xp.array(array, dtype=dtype) if dtype is not None else target.xp.array(array)
    return Tensor(array, requires_grad)
