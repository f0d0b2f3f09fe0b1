"""What a backward may return: broadcasting undone, promotion undone, everything else refused by name."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.autograd.checks import grad_of, leaf
from tinylm import Tensor, apply, gradcheck, tensor, use_kernels
from tinylm import functional as F
from tinylm.autograd import GradientError, unbroadcast
from tinylm.ops import keep, op, op_named


def sum_by_loops(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every element of the gradient added to the one place of `shape` that it was copied from."""
    total = np.zeros(shape)
    extra = gradient.ndim - len(shape)
    for place in itertools.product(*map(range, gradient.shape)):
        home = tuple(0 if n == 1 else i for i, n in zip(place[extra:], shape, strict=True))
        total[home] += gradient[place]
    return total


@given(st.data())
def test_unbroadcast_equals_loops(data) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=1, min_side=0, max_side=3, max_dims=4))
    shape = shapes.input_shapes[0]
    wide = np.broadcast_shapes(shape, data.draw(st.sampled_from([shapes.result_shape, shape])))
    whole = data.draw(hnp.arrays(np.float64, wide, elements=st.integers(-9, 9)))
    found = unbroadcast(whole, shape)
    assert found.shape == shape
    assert np.array_equal(found, sum_by_loops(whole, shape))  # whole numbers: sums are exact in any order


@given(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
def test_unbroadcast_refuses_what_is_no_broadcast_form(wide, shape) -> None:
    try:
        fits = np.broadcast_shapes(wide, shape) == wide
    except ValueError:
        fits = False
    if fits:
        assert unbroadcast(np.ones(wide), shape).shape == shape
    else:
        with pytest.raises(ValueError, match="not a broadcast form"):
            unbroadcast(np.ones(wide), shape)


def made(result, *, arrays=1):
    """An op of one or two inputs whose backward returns whatever `result` makes of dy."""
    if arrays == 1:

        @op
        def strange(xp, x):
            return x * 2, keep()
    else:

        @op
        def strange(xp, x, second):
            return x * second, keep()

    @strange.backward
    def strange_backward(xp, dy):
        return result(dy)

    return strange


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda dy: dy.T.copy(), r"strange: dx has shape \(2, 3\), x \(3, 2\)"),
        (lambda dy: dy[:1], r"strange: dx has shape \(1, 2\), x \(3, 2\)"),
        (lambda dy: dy.sum(), r"strange: dx has shape \(\), x \(3, 2\)"),
        (lambda dy: dy.astype(np.float32), "strange: dx is float32, x float64"),
        (lambda dy: dy.astype(np.int64), "strange: dx is int64, x float64"),
        (lambda dy: [dy], "strange: backward returned a list; return a tuple"),
        (lambda dy: (dy.tolist(),), "strange: dx is a list, not an array"),
        (lambda dy: None, r"strange: backward returned no gradient for x; forgot return\?"),
        (lambda dy: 1.0, "strange: dx is a float, not an array"),
        (lambda dy: (dy, dy), "strange: backward gave 2 gradients for 1 inputs"),
        (lambda dy: (), "strange: backward gave 0 gradients for 1 inputs"),
    ],
)
def test_a_gradient_that_does_not_fit_is_refused_by_name(result, says) -> None:
    x = tensor(np.ones((3, 2)), requires_grad=True)
    with pytest.raises(GradientError, match=says):
        apply(made(result), x).backward(np.ones((3, 2)))


@pytest.mark.parametrize("above", [False, True])
def test_the_second_argument_is_named_too_also_below_another_op(above) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    bad = made(lambda dy: (dy, dy[:1].astype(np.float32)), arrays=2)
    second = y * 1 if above else y
    with pytest.raises(GradientError, match=r"strange: dsecond has shape \(1,\), second \(2,\)"):
        apply(bad, x, second).backward(np.ones(2))


def test_too_few_gradients_matter_only_where_one_is_wanted() -> None:
    x = leaf(1.0, 2.0)
    one = made(lambda dy: (dy,), arrays=2)
    apply(one, x, np.array([1.0, 1.0])).backward(np.ones(2))
    assert grad_of(x) == [1.0, 1.0]
    with pytest.raises(GradientError, match="gave 1 gradients for 2 inputs"):
        apply(one, x, leaf(1.0, 1.0)).backward(np.ones(2))


def test_an_argument_of_many_is_named_by_its_place() -> None:
    @op
    def add_up(xp, *xs):
        return sum(xs[1:], xs[0]), keep()

    @add_up.backward
    def add_up_backward(xp, dy):
        return dy, dy[:1]

    with pytest.raises(GradientError, match=r"add_up: dxs\[1\] has shape \(1,\), xs\[1\] \(2,\)"):
        apply(add_up, leaf(1.0, 2.0), leaf(3.0, 4.0)).backward(np.ones(2))


def test_no_gradient_for_an_input_is_none() -> None:
    x, y = leaf(1.0), leaf(1.0)
    apply(made(lambda dy: (dy, None), arrays=2), x, y).backward(np.ones(1))
    assert (grad_of(x), y.grad) == ([1.0], None)
    with pytest.raises(GradientError, match="strange: backward returned no gradient for second"):
        apply(made(lambda dy: (dy, None), arrays=2), 1.0, y).backward(np.ones(1))


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda x: x * 2, r"strange: forward must return .* a ndarray; type: return y, keep\(x=x\), or keep\(\)"),
        (lambda x: (x, x), "it returned a tuple"),
        (lambda x: (x,), "it returned a tuple"),
        (lambda x: [x, keep()], "it returned a list"),
        (lambda x: None, "it returned a NoneType"),
        (lambda x: ((x, x), keep()), "strange: forward must give one array on numpy, not a tuple"),
        (lambda x: ([1.0, 2.0], keep()), "one array on numpy, not a list"),
        (lambda x: (None, keep()), "one array on numpy, not a NoneType"),
        (lambda x: (tensor(x), keep()), "one array on numpy, not a Tensor"),
    ],
)
def test_a_forward_that_does_not_return_an_array_and_what_it_kept_is_told(returned, says) -> None:
    @op
    def strange(xp, x):
        return returned(x)

    with pytest.raises(TypeError, match=says):
        apply(strange, leaf(1.0, 2.0))


def test_too_few_and_too_many_arrays_are_counted() -> None:
    x = leaf(1.0)
    with pytest.raises(TypeError, match=r"multiply takes the arrays \(a, b\), got 1 of them"):
        apply(op_named("multiply"), x)
    with pytest.raises(TypeError, match=r"linear takes the arrays \(x, weight, bias=None\), got 4 of them"):
        apply(op_named("linear"), x, x, x, x)
    with pytest.raises(TypeError, match=r"linear takes .* got 1 of them"):
        apply(op_named("linear"), x)
    with pytest.raises(TypeError, match=r"concatenate takes the arrays \(\*.*\), got 0 of them"):
        F.concatenate([])


def test_whole_numbers_made_to_want_a_gradient_are_refused_in_backward() -> None:
    n = tensor([1, 2])
    n.requires_grad = True
    with pytest.raises(GradientError, match="multiply: a is int64; only floating-point tensors can require"):
        (n * 1.5).sum().backward()


def test_a_backward_that_asks_for_what_was_not_kept_is_told() -> None:
    @op
    def forgetful(xp, x):
        return x * x, keep(y=x)

    @forgetful.backward
    def forgetful_backward(xp, dy, *, x):
        return 2 * x * dy

    with pytest.raises(GradientError, match=r"forgetful: backward asks for x, which forward neither kept.*kept are y"):
        apply(forgetful, leaf(1.0)).backward(np.ones(1))


def test_an_op_without_a_backward_says_so_instead_of_cutting_the_graph() -> None:
    @op
    def unfinished(xp, x):
        return x * x, keep()

    x = leaf(3.0)
    y = apply(unfinished, x)
    assert y.tolist() == [9.0]
    with pytest.raises(GradientError, match=r"unfinished has no backward: write one with @unfinished\.backward"):
        (y + x).sum().backward()


def test_mixed_precisions_give_every_leaf_its_own() -> None:
    x, w = tensor([1.0, 2.0], requires_grad=True), tensor(np.array([3.0, 4.0]), requires_grad=True)
    z = x * 2  # float32
    y = z * w  # float64
    assert (z.dtype, y.dtype) == (np.float32, np.float64)
    y.sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [6.0, 8.0])
    assert (w.grad.dtype, w.grad.tolist()) == (np.float64, [2.0, 4.0])


def square_op(factor: float):
    @op
    def scaled_square(xp, x, *, scale=1.0):
        return scale * x * x, keep(x=x)

    @scaled_square.backward
    def scaled_square_backward(xp, dy, *, x, scale):
        return factor * scale * x * dy

    return scaled_square


def test_an_op_of_the_user_works_and_is_found_by_name() -> None:
    mine = square_op(2.0)
    assert op_named("scaled_square") is mine
    gradcheck(lambda x: apply(mine, x, scale=3.0), np.array([1.0, -2.0]))
    gradcheck(lambda x: apply(mine, x), np.array([1.0, -2.0]))  # the default setting reaches backward too
    assert repr(apply(mine, leaf(2.0))) == "tensor([4.], dtype=float64, from=scaled_square)"


def test_an_op_may_be_written_again_in_its_module_and_old_graphs_keep_the_old_one() -> None:
    x = leaf(1.0)
    old = apply(square_op(5.0), x).sum()
    new = square_op(2.0)
    assert op_named("scaled_square") is new
    old.backward()
    assert grad_of(x) == [5.0]


def test_a_kernel_and_the_reference_are_told_apart_by_the_mode() -> None:
    mine = square_op(2.0)
    mine.kernel(
        "numpy",
        forward=lambda xp, x, *, scale=1.0: (scale * x * x, keep(slope=2 * scale * x)),
        backward=lambda xp, dy, *, slope: slope * dy,
    )
    assert apply(mine, leaf(1.0)).node.kept.keys() == {"slope"}
    with use_kernels("reference"):
        y = apply(mine, leaf(1.0))
    assert y.node.kept.keys() == {"x"}
    y.sum().backward()  # outside of the mode: a node keeps the kernel that made it


def test_an_op_that_returns_its_input_leaves_the_array_writable() -> None:
    @op
    def same(xp, x):
        return x, keep()

    view = np.arange(4.0)[1:]
    apply(same, Tensor(view))
    assert view.flags.writeable
