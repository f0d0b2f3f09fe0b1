"""Answers to the exercises on a model of one's own text: plausible wrong ones, each to be found, and right ones."""

import numpy as np


def split_at_the_front(tokens, fraction):
    n = int(len(tokens) * fraction)
    return tokens[n:], tokens[:n]


def split_by_the_training_part(tokens, fraction):
    n = int(len(tokens) * fraction)
    return tokens[:n], tokens[n:]


def split_shuffled(tokens, fraction):
    shuffled = np.random.default_rng(0).permutation(tokens)
    n = len(tokens) - int(len(tokens) * fraction)
    return shuffled[:n], shuffled[n:]


def split_at_minus_n(tokens, fraction):
    n = int(len(tokens) * fraction)
    return tokens[:-n], tokens[-n:]  # nothing to train on where n is 0


def split_rounded_up(tokens, fraction):
    n = -int(-len(tokens) * fraction // 1)
    return tokens[: len(tokens) - n], tokens[len(tokens) - n :]


def split_with_a_shared_token(tokens, fraction):
    n = len(tokens) - int(len(tokens) * fraction)
    return tokens[:n], tokens[n - 1 :]


def split_by_split(tokens, fraction):
    kept_back = int(fraction * len(tokens))
    return tuple(np.split(tokens, [len(tokens) - kept_back]))


def windows_that_overlap(tokens, T):
    return [(tokens[i : i + T], tokens[i + 1 : i + T + 1]) for i in range(len(tokens) - T)]


def windows_without_the_rest(tokens, T):
    return [(tokens[i : i + T], tokens[i + 1 : i + T + 1]) for i in range(0, len(tokens) - T, T)]


def windows_with_a_gap(tokens, T):
    starts = range(0, len(tokens) - 1, T + 1)
    return [(tokens[i : i + T + 1][:-1], tokens[i : i + T + 1][1:]) for i in starts]


def windows_whose_targets_stay_inside(tokens, T):
    starts = range(0, len(tokens) - 1, T)
    return [(tokens[i : i + T][:-1], tokens[i : i + T][1:]) for i in starts]


def windows_with_an_empty_one(tokens, T):
    starts = range(0, len(tokens), T)
    return [(tokens[i : i + T + 1][:-1], tokens[i : i + T + 1][1:]) for i in starts]


def windows_by_ends(tokens, T):
    found, i = [], 0
    while i + 1 < len(tokens):
        end = min(i + T, len(tokens) - 1)
        found.append((tokens[i:end], tokens[i + 1 : end + 1]))
        i = end
    return found


WRONG = {
    "split": [
        split_at_the_front, split_by_the_training_part, split_shuffled, split_at_minus_n, split_rounded_up,
        split_with_a_shared_token,
    ],
    "windows": [
        windows_that_overlap, windows_without_the_rest, windows_with_a_gap, windows_whose_targets_stay_inside,
        windows_with_an_empty_one,
    ],
}  # fmt: skip
RIGHT = {"split": [split_by_split], "windows": [windows_by_ends]}
