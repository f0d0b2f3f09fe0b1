"""Answers to the exercises on arrays that live elsewhere: plausible wrong ones, each to be found, and right ones."""

import numpy as np


def scatter_by_assignment(target, index, values):
    result = target.copy()
    result[index] += values
    return result


def scatter_that_overwrites(target, index, values):
    result = target.copy()
    result[index] = values
    return result


def scatter_on_nothing(target, index, values):
    result = np.zeros_like(target)
    np.add.at(result, index, values)
    return result


def scatter_in_place(target, index, values):
    np.add.at(target, index, values)
    return target


def scatter_in_order(target, index, values):
    result = target.copy()
    for row in range(min(len(values), len(target))):
        result[row] += values[row]
    return result


def scatter_by_a_product(target, index, values):
    onehot = (np.arange(len(target))[:, None] == index[None, :]).astype(float)  # (V, N)
    return target + onehot @ values


def _in_range(ids, low, high):
    return bool((np.asarray(ids) >= low).all() and (np.asarray(ids) <= high).all())


def ids_from_one(ids, V):
    return np.asarray(ids).dtype.kind in "iu" and _in_range(ids, 1, V)


def ids_up_to_the_size(ids, V):
    return np.asarray(ids).dtype.kind in "iu" and _in_range(ids, 0, V)


def ids_without_a_lower_end(ids, V):
    return np.asarray(ids).dtype.kind in "iu" and bool((np.asarray(ids) < V).all())


def ids_of_any_kind(ids, V):
    return _in_range(ids, 0, V - 1)


def ids_as_pythons_lists_take_them(ids, V):
    return np.asarray(ids).dtype.kind in "iu" and _in_range(ids, -V, V - 1)


def ids_if_any_is(ids, V):
    return np.asarray(ids).dtype.kind in "iu" and bool((np.asarray(ids) < V).any())


def ids_by_extremes(ids, V):
    ids = np.array(ids)
    return bool(np.issubdtype(ids.dtype, np.integer) and ids.min() >= 0 and ids.max() < V)


def _first(a, b, differs):
    for (name, x), (_, y) in zip(a, b, strict=True):
        if differs(x, y):
            return name
    return "none"


def difference_of_each_number(a, b, rtol):
    return _first(a, b, lambda x, y: (abs(x - y) > rtol * abs(x)).any())


def difference_without_a_size(a, b, rtol):
    return _first(a, b, lambda x, y: abs(x - y).max() > rtol)


def difference_with_a_sign(a, b, rtol):
    return _first(a, b, lambda x, y: (y - x > rtol * abs(x).max()).any())


def difference_blind_to_nan(a, b, rtol):
    return _first(a, b, lambda x, y: (abs(x - y) > rtol * abs(x).max()).any())


def difference_by_the_largest_number(a, b, rtol):
    return _first(a, b, lambda x, y: not (abs(x - y) <= rtol * x.max()).all())


def difference_by_the_other_s_size(a, b, rtol):
    return _first(a, b, lambda x, y: not (abs(x - y) <= rtol * abs(y).max()).all())


def difference_by_the_mean_size(a, b, rtol):
    return _first(a, b, lambda x, y: not (abs(x - y) <= rtol * abs(x).mean()).all())


def difference_at_the_end(a, b, rtol):
    return _first(a[::-1], b[::-1], lambda x, y: not (abs(x - y) <= rtol * abs(x).max()).all())


def difference_of_bits(a, b, rtol):
    return _first(a, b, lambda x, y: not np.array_equal(x, y))


def difference_plainly(a, b, rtol):
    return _first(a, b, lambda x, y: not (abs(x - y) <= rtol * abs(x).max()).all())


WRONG = {
    "scatter_add": [
        scatter_by_assignment, scatter_that_overwrites, scatter_on_nothing, scatter_in_place, scatter_in_order,
    ],
    "valid_ids": [
        ids_from_one, ids_up_to_the_size, ids_without_a_lower_end, ids_of_any_kind, ids_as_pythons_lists_take_them,
        ids_if_any_is,
    ],
    "first_difference": [
        difference_of_each_number, difference_without_a_size, difference_with_a_sign, difference_blind_to_nan,
        difference_by_the_largest_number, difference_at_the_end, difference_of_bits,
        difference_by_the_other_s_size, difference_by_the_mean_size,
    ],
}  # fmt: skip
RIGHT = {
    "scatter_add": [scatter_by_a_product],
    "valid_ids": [ids_by_extremes],
    "first_difference": [difference_plainly],
}
