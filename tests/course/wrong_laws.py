"""Answers to the exercises on laws: plausible wrong ones, each to be found, and right ones."""

import numpy as np


def future_of_the_last_row_alone(f, x):
    changed = x.copy()
    changed[-1] += 1
    return np.array_equal(f(changed)[:-1], f(x)[:-1])


def future_that_may_not_see_itself(f, x):
    y = f(x)
    for t in range(len(x)):
        changed = x.copy()
        changed[t:] += 1
        if not np.array_equal(f(changed)[: t + 1], y[: t + 1]):
            return False
    return True


def future_and_past_mixed_up(f, x):
    y = f(x)
    for t in range(len(x)):
        changed = x.copy()
        changed[:t] += 1
        if not np.array_equal(f(changed)[t:], y[t:]):
            return False
    return True


def future_of_the_first_row_and_the_next(f, x):
    changed = x.copy()
    changed[1] += 1
    return np.array_equal(f(changed)[:1], f(x)[:1])


def future_of_the_first_row_alone(f, x):
    changed = x.copy()
    changed[1:] += 1
    return np.array_equal(f(changed)[:1], f(x)[:1])


def future_always_unseen(f, x):
    return True


def future_in_place(f, x):
    y = f(x)
    for t in range(len(x) - 1, 0, -1):
        x[t:] += 1
        if not np.array_equal(f(x)[:t], y[:t]):
            return False
    return True


def future_row_by_row(f, x):
    y = f(x)
    for t in range(1, len(x)):
        noise = np.zeros_like(x)
        noise[t] = 0.5
        if (f(x + noise)[:t] != y[:t]).any():
            return False
    return True


def softmax_laws_without_the_shift(f, x):
    p = f(x)
    return bool((p >= 0).all() and abs(p.sum() - 1) < 1e-9)


def softmax_laws_without_the_sum(f, x):
    return bool((f(x) >= 0).all() and np.allclose(f(x), f(x + 1), atol=1e-9, rtol=0))


def softmax_laws_without_the_sign(f, x):
    return bool(abs(f(x).sum() - 1) < 1e-9 and np.allclose(f(x), f(x + 1), atol=1e-9, rtol=0))


def softmax_laws_that_want_more_than_0(f, x):
    p = f(x)
    return bool((p > 0).all() and abs(p.sum() - 1) < 1e-9 and np.allclose(p, f(x + 1), atol=1e-9, rtol=0))


def softmax_laws_to_the_bit(f, x):
    return bool((f(x) > 0).all() and f(x).sum() == 1 and (f(x) == f(x - 0.1)).all())


def softmax_is_softmax(f, x):
    e = np.exp(x)
    return bool(np.allclose(f(x), e / e.sum(), atol=1e-9))


def softmax_laws_one_by_one(f, x):
    p, q = f(x), f(x + 1)
    return all([p.min() >= 0, abs(1 - sum(p)) < 1e-9, np.abs(p - q).max() < 1e-9])


def shrink_in_one_sweep(fails, items):
    for item in list(items):
        shorter = list(items)
        shorter.remove(item)
        if fails(shorter):
            items = shorter
    return items


def shrink_once(fails, items):
    for place in range(len(items)):
        if fails(items[:place] + items[place + 1 :]):
            return items[:place] + items[place + 1 :]
    return items


def shrink_from_the_end(fails, items):
    place = len(items) - 1
    while place >= 0:
        shorter = items[:place] + items[place + 1 :]
        if fails(shorter):
            items, place = shorter, len(shorter)
        place -= 1
    return items


def shrink_until_it_passes(fails, items):
    while items and fails(items):
        items = items[1:]
    return items


def shrink_by_sorting(fails, items):
    return [x for x in items if fails([x])][:1] or items


def shrink_in_place(fails, items):
    place = 0
    while place < len(items):
        item = items.pop(place)
        if fails(items):
            place = 0
        else:
            items.insert(place, item)
            place += 1
    return items


def shrink_by_calling_itself(fails, items):
    for place in range(len(items)):
        shorter = [item for other, item in enumerate(items) if other != place]
        if fails(shorter):
            return shrink_by_calling_itself(fails, shorter)
    return items


WRONG = {
    "sees_no_future": [
        future_of_the_last_row_alone, future_that_may_not_see_itself, future_and_past_mixed_up,
        future_of_the_first_row_and_the_next, future_of_the_first_row_alone, future_always_unseen, future_in_place,
    ],
    "obeys_softmax_laws": [
        softmax_laws_without_the_shift, softmax_laws_without_the_sum, softmax_laws_without_the_sign,
        softmax_laws_to_the_bit, softmax_is_softmax, softmax_laws_that_want_more_than_0,
    ],
    "shrink": [
        shrink_in_one_sweep, shrink_once, shrink_from_the_end, shrink_until_it_passes, shrink_by_sorting,
        shrink_in_place,
    ],
}  # fmt: skip
RIGHT = {
    "sees_no_future": [future_row_by_row],
    "obeys_softmax_laws": [softmax_laws_one_by_one],
    "shrink": [shrink_by_calling_itself],
}
