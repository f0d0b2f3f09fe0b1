"""Answers to the exercises on the choice of a token: plausible wrong ones, each to be found, and right ones."""

import numpy as np


def _softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def temperature_multiplied(logits, temperature):
    return _softmax(logits * temperature) if temperature else _greedy(logits)


def temperature_of_probabilities(logits, temperature):
    if not temperature:
        return _greedy(logits)
    p = _softmax(logits) / temperature
    return p / p.sum()


def temperature_divides_by_zero(logits, temperature):
    return _softmax(logits / temperature)


def temperature_nearly_zero(logits, temperature):
    return _softmax(logits / max(temperature, 1e-9))


def temperature_that_overflows(logits, temperature):
    e = np.exp(logits / temperature) if temperature else _greedy(logits)
    return e / e.sum()


def temperature_greedy_by_size(logits, temperature):
    return _softmax(logits / temperature) if temperature else _greedy(np.abs(logits))


def _greedy(logits):
    p = np.zeros(len(logits))
    p[logits.argmax()] = 1
    return p


def temperature_by_powers(logits, temperature):
    if temperature == 0:
        return np.eye(len(logits))[np.argmax(logits)]
    return _softmax((logits - logits.max()) / temperature)


def _nucleus(p, inside, *, order=None):
    order = np.argsort(-p, kind="stable") if order is None else order
    sums = np.cumsum(p[order])
    kept = np.zeros(len(p), dtype=bool)
    kept[order[inside(sums, p[order])]] = True
    return kept


def nucleus_without_the_one_that_crosses(p, top_p):
    return _nucleus(p, lambda sums, own: sums <= top_p)


def nucleus_with_one_too_many(p, top_p):
    return _nucleus(p, lambda sums, own: sums - own <= top_p)


def nucleus_in_order_of_id(p, top_p):
    return _nucleus(p, lambda sums, own: sums - own < top_p, order=np.arange(len(p)))


def nucleus_of_the_unlikely(p, top_p):
    return _nucleus(p, lambda sums, own: sums - own < top_p, order=np.argsort(p))


def nucleus_not_put_back(p, top_p):
    own = np.sort(p)[::-1]
    return np.cumsum(own) - own < top_p


def nucleus_with_the_later_of_equals(p, top_p):
    return _nucleus(p, lambda sums, own: sums - own < top_p, order=np.lexsort((-np.arange(len(p)), -p)))


def nucleus_by_threshold(p, top_p):
    return p >= 1 - top_p


def nucleus_in_a_loop(p, top_p):
    kept, gathered = np.zeros(len(p), dtype=bool), 0.0
    for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        if gathered >= top_p:
            break
        kept[token] = True
        gathered += p[token]
    return kept


def _penalized(logits, ids, change):
    result = logits.copy()
    for i in ids:
        result[i] = change(result[i])
    return result


def penalty_divides_always(logits, seen, penalty):
    return _penalized(logits, set(seen), lambda x: x / penalty)


def penalty_subtracts(logits, seen, penalty):
    return _penalized(logits, set(seen), lambda x: x - penalty)


def penalty_for_each_time(logits, seen, penalty):
    return _penalized(logits, seen, lambda x: x / penalty if x > 0 else x * penalty)


def penalty_upside_down(logits, seen, penalty):
    return _penalized(logits, set(seen), lambda x: x * penalty if x > 0 else x / penalty)


def penalty_in_place(logits, seen, penalty):
    for i in set(seen):
        logits[i] = logits[i] / penalty if logits[i] > 0 else logits[i] * penalty
    return logits


def penalty_for_all(logits, seen, penalty):
    return np.where(logits > 0, logits / penalty, logits * penalty)


def penalty_by_a_mask(logits, seen, penalty):
    where = np.isin(np.arange(len(logits)), seen)
    return np.where(where, np.minimum(logits / penalty, logits * penalty), logits)


def pick_from_the_left(p, u):
    return int(np.searchsorted(np.cumsum(p), u))


def pick_the_most_likely(p, u):
    return int(np.argmax(p))


def pick_the_nearest(p, u):
    return int(np.abs(np.cumsum(p) - u).argmin())


def pick_one_too_far(p, u):
    return int(np.searchsorted(np.cumsum(p), u, side="right")) + 1


def pick_in_order_of_probability(p, u):
    order = np.argsort(-p, kind="stable")
    return int(order[np.searchsorted(np.cumsum(p[order]), u, side="right")])


def pick_evenly(p, u):
    return int(u * len(p))


def pick_in_a_loop(p, u):
    end = 0.0
    for token, share in enumerate(p):
        end += share
        if u < end:
            return token
    raise AssertionError


WRONG = {
    "at_temperature": [
        temperature_multiplied, temperature_of_probabilities, temperature_divides_by_zero, temperature_nearly_zero,
        temperature_that_overflows, temperature_greedy_by_size,
    ],
    "keep_top_p": [
        nucleus_without_the_one_that_crosses, nucleus_with_one_too_many, nucleus_in_order_of_id,
        nucleus_of_the_unlikely, nucleus_not_put_back, nucleus_with_the_later_of_equals, nucleus_by_threshold,
    ],
    "penalize_repetition": [
        penalty_divides_always, penalty_subtracts, penalty_for_each_time, penalty_upside_down, penalty_in_place,
        penalty_for_all,
    ],
    "pick": [
        pick_from_the_left, pick_the_most_likely, pick_the_nearest, pick_one_too_far, pick_in_order_of_probability,
        pick_evenly,
    ],
}  # fmt: skip
RIGHT = {
    "at_temperature": [temperature_by_powers],
    "keep_top_p": [nucleus_in_a_loop],
    "penalize_repetition": [penalty_by_a_mask],
    "pick": [pick_in_a_loop],
}
