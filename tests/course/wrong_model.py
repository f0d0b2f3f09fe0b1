"""Plausible wrong answers to the exercises on the GPT; each must be found."""

import numpy as np


def block_normalised_afterwards(x, ln_1, attn, ln_2, mlp):
    x = ln_1(x + attn(x))
    return ln_2(x + mlp(x))


def block_without_the_stream(x, ln_1, attn, ln_2, mlp):
    return mlp(ln_2(attn(ln_1(x))))


def block_side_by_side(x, ln_1, attn, ln_2, mlp):
    return x + attn(ln_1(x)) + mlp(ln_2(x))


def block_adding_to_the_normalised(x, ln_1, attn, ln_2, mlp):
    x = ln_1(x)
    x = ln_2(x + attn(x))
    return x + mlp(x)


def block_with_one_norm(x, ln_1, attn, ln_2, mlp):
    x = x + attn(ln_1(x))
    return x + mlp(ln_1(x))


def block_with_the_mlp_first(x, ln_1, attn, ln_2, mlp):
    x = x + mlp(ln_2(x))
    return x + attn(ln_1(x))


def block_that_forgets_attention(x, ln_1, attn, ln_2, mlp):
    return x + mlp(ln_2(x + attn(ln_1(x))))


def block_without_norms(x, ln_1, attn, ln_2, mlp):
    x = x + attn(x)
    return x + mlp(x)


def _count(V, T, L, C, b, tied, *, last=True, positions=True, merged=4, wide=4, norms=2):
    inside = norms * (C + b * C) + merged * C * C + b * merged * C + 2 * wide * C * C + b * (wide * C + C)
    outside = V * C + (T * C if positions else 0) + (C + b * C if last else 0) + (0 if tied else V * C)
    return outside + L * inside


def count_tied_twice(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, False)


def count_without_an_untied_head(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, True)


def count_without_the_last_norm(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights, last=False)


def count_without_positions(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights, positions=False)


def count_without_biases(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, False, tie_weights)


def count_always_with_biases(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, True, tie_weights)


def count_without_the_projection(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights, merged=3)


def count_with_a_narrow_mlp(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights, wide=1)


def count_with_one_norm(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights, norms=1)


def count_of_one_block(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    return _count(vocab_size, block_size, 1, n_embd, bias, tie_weights)


def count_with_a_bias_in_the_head(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    head = 0 if tie_weights else vocab_size
    return _count(vocab_size, block_size, n_layer, n_embd, bias, tie_weights) + head


def tied_as_head_alone(dx, ids, dlogits, x):
    return dlogits.T @ x


def tied_as_embedding_alone(dx, ids, dlogits, x):
    return np.eye(dlogits.shape[1])[ids].T @ dx


def tied_written_over(dx, ids, dlogits, x):
    dtable = dlogits.T @ x
    dtable[ids] = dx
    return dtable


def tied_without_repeats(dx, ids, dlogits, x):
    dtable = dlogits.T @ x
    dtable[ids] += dx
    return dtable


def tied_transposed(dx, ids, dlogits, x):
    return x.T @ dlogits + dx.T @ np.eye(dlogits.shape[1])[ids]


def tied_averaged(dx, ids, dlogits, x):
    return (dlogits.T @ x + np.eye(dlogits.shape[1])[ids].T @ dx) / 2


def tied_with_the_wrong_input(dx, ids, dlogits, x):
    return dlogits.T @ dx + np.eye(dlogits.shape[1])[ids].T @ x


WRONG = {
    "block": [
        block_normalised_afterwards, block_without_the_stream, block_side_by_side, block_adding_to_the_normalised,
        block_with_one_norm, block_with_the_mlp_first, block_that_forgets_attention, block_without_norms,
    ],
    "parameter_count": [
        count_tied_twice, count_without_an_untied_head, count_without_the_last_norm, count_without_positions,
        count_without_biases, count_always_with_biases, count_without_the_projection, count_with_a_narrow_mlp,
        count_with_one_norm, count_of_one_block, count_with_a_bias_in_the_head,
    ],
    "tied_gradient": [
        tied_as_head_alone, tied_as_embedding_alone, tied_written_over, tied_without_repeats, tied_transposed,
        tied_averaged, tied_with_the_wrong_input,
    ],
}  # fmt: skip
