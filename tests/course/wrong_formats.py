"""Plausible wrong answers to the exercises on files of models; each must be found."""

import numpy as np


def side_by_side_over_all_heads(w, heads):
    half = len(w) // 2
    return np.stack([w[:half], w[half:]], axis=1).reshape(w.shape)


def side_by_side_the_other_way(w, heads):
    parts = w.reshape(heads, len(w) // heads // 2, 2, -1)
    return parts.swapaxes(1, 2).reshape(w.shape)


def side_by_side_second_half_first(w, heads):
    parts = w.reshape(heads, 2, len(w) // heads // 2, -1)[:, ::-1]
    return parts.swapaxes(1, 2).reshape(w.shape)


def side_by_side_left_as_it_is(w, heads):
    return w.copy()


def side_by_side_of_heads(w, heads):
    return w.reshape(heads, len(w) // heads, -1).swapaxes(0, 1).reshape(w.shape)


def side_by_side_by_strides(w, heads):
    parts = w.reshape(heads, 2, len(w) // heads // 2, -1)
    return parts.swapaxes(1, 2).reshape(w.shape)


def eight_bits_cut_off(x):
    scale = np.abs(x).max() / 127
    return np.trunc(x / scale) * scale if scale else x * 0


def eight_bits_down(x):
    scale = np.abs(x).max() / 127
    return np.floor(x / scale) * scale if scale else x * 0


def eight_bits_of_128(x):
    scale = np.abs(x).max() / 128
    return np.round(x / scale) * scale if scale else x * 0


def eight_bits_of_the_largest(x):
    scale = x.max() / 127
    return np.round(x / scale) * scale if scale else x * 0


def eight_bits_without_zeros(x):
    with np.errstate(all="ignore"):
        scale = np.abs(x).max() / 127
        return np.round(x / scale) * scale


def eight_bits_not_brought_back(x):
    scale = np.abs(x).max() / 127
    return np.round(x / scale) if scale else x * 0


def eight_bits_by_range(x):
    scale = (x.max() - x.min()) / 254
    return np.round(x / scale) * scale if scale else x * 0


RIGHT = {"side_by_side": [side_by_side_by_strides]}

WRONG = {
    "side_by_side": [
        side_by_side_over_all_heads, side_by_side_the_other_way, side_by_side_second_half_first,
        side_by_side_left_as_it_is, side_by_side_of_heads,
    ],
    "eight_bits": [
        eight_bits_cut_off, eight_bits_down, eight_bits_of_128, eight_bits_of_the_largest, eight_bits_without_zeros,
        eight_bits_not_brought_back, eight_bits_by_range,
    ],
}  # fmt: skip
