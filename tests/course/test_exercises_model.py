"""Right answers to the exercises of notebooks 4 to 7, written with loops as on paper: each must be let through."""

import math

import numpy as np
import pytest

from tinylm.course import check


def one_hot(ids, V):
    return np.array([1.0 if v == i else 0.0 for i in ids.flat for v in range(V)]).reshape(*ids.shape, V)


def embedding_backward(dy, ids, V):
    C = dy.shape[-1]
    dtable = np.zeros((V, C))
    for row, v in zip(dy.reshape(-1, C), ids.flat, strict=True):
        for c in range(C):
            dtable[v, c] += row[c]
    return dtable


def rotary(x, positions, base=10000.0):
    T, D = x.shape
    h = D // 2
    y = np.empty((T, D))
    for t in range(T):
        for i in range(h):  # multiplication of u + iw by e^{ia} turns by a
            angle = positions[t] / base ** (i / h)
            turned = complex(x[t, i], x[t, i + h]) * complex(math.cos(angle), math.sin(angle))
            y[t, i], y[t, i + h] = turned.real, turned.imag
    return y


def causal_mask(T, S):
    return np.array([[j <= i + S - T for j in range(S)] for i in range(T)])


def attention_weights(q, k):
    T, D = q.shape
    p = np.zeros((T, T))
    for i in range(T):
        scores = [math.fsum(q[i] * k[j]) / math.sqrt(D) for j in range(i + 1)]
        total = math.fsum(math.exp(s - max(scores)) for s in scores)
        for j, s in enumerate(scores):
            p[i, j] = math.exp(s - max(scores)) / total
    return p


def causal_attention(q, k, v):
    H, T, _ = q.shape
    y = np.zeros(v.shape)
    for n in range(H):
        p = attention_weights(q[n], k[n])
        for i in range(T):
            for j in range(i + 1):
                y[n, i] += p[i, j] * v[n, j]
    return y


def softmax(x):
    p = np.empty(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        for i, one in enumerate(x[index]):
            p[(*index, i)] = 1 / math.fsum(math.exp(min(other - one, 700)) for other in x[index])
    return p


def layer_norm(x, gain, bias, eps=1e-5):
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index].tolist()
        mean = math.fsum(row) / len(row)
        size = math.sqrt(math.fsum((value - mean) ** 2 for value in row) / len(row) + eps)
        for i, value in enumerate(row):
            y[(*index, i)] = gain[i] * (value - mean) / size + bias[i]
    return y


def layer_norm_backward(dy, xhat, rstd, gain):
    """By the matrix of all ∂x̂ᵢ/∂xⱼ of a row, which the formula of the exercise avoids."""
    T, C = dy.shape
    dx = np.empty((T, C))
    for t in range(T):
        slopes = rstd[t, 0] * (np.eye(C) - 1 / C - np.outer(xhat[t], xhat[t]) / C)
        dx[t] = slopes.T @ (gain * dy[t])
    return dx, np.einsum("tc,tc->c", dy, xhat), np.einsum("tc->c", dy)


def cross_entropy_gradient(logits, targets):
    N, V = logits.shape
    p = softmax(logits)
    return np.array([[(p[n, v] - (v == targets[n])) / N for v in range(V)] for n in range(N)])


def block(x, ln_1, attn, ln_2, mlp):
    found = attn(ln_1(x))
    return x + found + mlp(ln_2(x + found))


def parameter_count(vocab_size, block_size, n_layer, n_embd, bias=True, tie_weights=True):
    norm = [(n_embd,)] * (1 + bias)

    def linear(inputs, outputs):
        return [(inputs, outputs)] + [(outputs,)] * bias

    shapes = [(vocab_size, n_embd), (block_size, n_embd)]
    for _ in range(n_layer):
        shapes += norm + linear(n_embd, 3 * n_embd) + linear(n_embd, n_embd)
        shapes += norm + linear(n_embd, 4 * n_embd) + linear(4 * n_embd, n_embd)
    shapes += norm + [(n_embd, vocab_size)] * (not tie_weights)
    return sum(math.prod(shape) for shape in shapes)


def tied_gradient(dx, ids, dlogits, x):
    T, V = dlogits.shape
    dW = np.zeros((V, x.shape[1]))
    for t in range(T):
        dW[ids[t]] += dx[t]
        for v in range(V):
            dW[v] += dlogits[t, v] * x[t]
    return dW


RIGHT = [
    one_hot, embedding_backward, rotary, causal_mask, attention_weights, causal_attention, softmax, layer_norm,
    layer_norm_backward, cross_entropy_gradient, block, parameter_count, tied_gradient,
]  # fmt: skip


@pytest.mark.parametrize("answer", RIGHT, ids=lambda answer: answer.__name__)
def test_a_right_answer_in_another_form_is_right(answer):
    result = check(answer.__name__, answer)
    assert result.right, result
