"""Plausible wrong answers to the exercises on derivatives, each of which must be found, and right ones."""

import numpy as np


def slope_forwards(f, x):
    return (f(x + 1e-4) - f(x)) / 1e-4


def slope_with_a_tiny_step(f, x):
    return (f(x + 1e-14) - f(x - 1e-14)) / 2e-14


def slope_divided_by_h(f, x):
    return (f(x + 1e-5) - f(x - 1e-5)) / 1e-5


def slope_upside_down(f, x):
    return (f(x - 1e-5) - f(x + 1e-5)) / 2e-5


def slope_with_a_great_step(f, x):
    return (f(x + 0.1) - f(x - 0.1)) / 0.2


def tanh_of_x(dy, y):
    return dy * (1 - np.tanh(y) ** 2)


def tanh_without_dy(dy, y):
    return 1 - y**2


def tanh_without_the_square(dy, y):
    return dy * (1 - y)


def tanh_as_sigmoid(dy, y):
    return dy * y * (1 - y)


def tanh_in_double_precision(dy, y):
    return np.asarray(dy, dtype=np.float64) * (1 - np.asarray(y, dtype=np.float64) ** 2)


def tanh_into_dy(dy, y):
    dy *= 1 - y**2
    return dy


def matmul_untransposed(dy, a, b):
    return dy @ b, a @ dy


def matmul_swapped(dy, a, b):
    return a.T @ dy, dy @ b.T


def matmul_element_by_element(dy, a, b):
    return dy * b, dy * a


def matmul_in_the_wrong_order(dy, a, b):
    return b.T @ dy, dy @ a.T


def matmul_left_alone(dy, a, b):
    return dy @ b.T


def matmul_without_dy(dy, a, b):
    ones = np.ones_like(dy)
    return ones @ b.T, a.T @ ones


def matmul_in_double_precision(dy, a, b):
    dy = dy.astype(np.float64)
    return dy @ b.T, a.T @ dy


def unbroadcast_nothing(gradient, shape):
    return gradient


def unbroadcast_in_front_alone(gradient, shape):
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def unbroadcast_with_a_mean(gradient, shape):
    axes = _axes(gradient, shape)
    return gradient.mean(axis=axes, keepdims=True).reshape(shape) if axes else gradient


def unbroadcast_by_reshape(gradient, shape):
    return np.resize(gradient, shape)


def unbroadcast_taking_the_first(gradient, shape):
    places = tuple(slice(0, 1) if axis in _axes(gradient, shape) else slice(None) for axis in range(gradient.ndim))
    return gradient[places].reshape(shape)


def unbroadcast_all_at_once(gradient, shape):
    return np.full(shape, gradient.sum(), dtype=gradient.dtype) if gradient.shape != shape else gradient


def unbroadcast_from_the_left(gradient, shape):
    axes = tuple(i for i, n in enumerate(gradient.shape) if i >= len(shape) or shape[i] != n)
    return gradient.sum(axis=axes).reshape(shape)


def _axes(gradient, shape):
    padded = (1,) * (gradient.ndim - len(shape)) + tuple(shape)
    return tuple(i for i, n in enumerate(padded) if n == 1 and gradient.shape[i] != 1)


def slope_from_both_sides(f, x):
    return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5


def tanh_from_y(dy, y):
    return (1 - y) * (1 + y) * dy


def matmul_by_einsum(dy, a, b):
    return [np.einsum("mn,kn->mk", dy, b), np.einsum("mk,mn->kn", a, dy)]


def unbroadcast_axis_by_axis(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


WRONG = {
    "slope": [
        slope_forwards, slope_with_a_tiny_step, slope_divided_by_h, slope_upside_down, slope_with_a_great_step,
    ],
    "tanh_backward": [
        tanh_of_x, tanh_without_dy, tanh_without_the_square, tanh_as_sigmoid, tanh_in_double_precision, tanh_into_dy,
    ],
    "matmul_backward": [
        matmul_untransposed, matmul_swapped, matmul_element_by_element, matmul_in_the_wrong_order, matmul_left_alone,
        matmul_without_dy, matmul_in_double_precision,
    ],
    "unbroadcast": [
        unbroadcast_nothing, unbroadcast_in_front_alone, unbroadcast_with_a_mean, unbroadcast_by_reshape,
        unbroadcast_taking_the_first, unbroadcast_all_at_once, unbroadcast_from_the_left,
    ],
}  # fmt: skip
RIGHT = {
    "slope": [slope_from_both_sides],
    "tanh_backward": [tanh_from_y],
    "matmul_backward": [matmul_by_einsum],
    "unbroadcast": [unbroadcast_axis_by_axis],
}
