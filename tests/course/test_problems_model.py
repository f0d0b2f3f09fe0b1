"""Problems of attention, autograd and the model: right answers in other styles, and what drives do."""

import heapq
import math

import numpy as np
import pytest

from tinylm import functional as F
from tinylm.autograd import Tensor
from tinylm.course.drive import in_attention, in_block, in_gpt, in_mlp, on_graph, on_tensors, pattern
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import problem_named
from tinylm.gpt import GPT, MLP, Block, CausalSelfAttention
from tinylm.nn import Module

# -- right answers, as nobody here would write them ------------------------------------------------------


def causal_mask(xp, queries, keys):
    return np.array([[key - (keys - queries) <= query for key in range(keys)] for query in range(queries)])


def causal_attention(xp, q, k, v, gates=None, *, scale=None):
    repeats = q.shape[-3] // k.shape[-3]
    k, v = (np.repeat(each, repeats, axis=-3).astype(np.float64) for each in (k, v))
    s = np.einsum("...td,...sd->...ts", q.astype(np.float64), k) * (scale or q.shape[-1] ** -0.5)
    s += np.triu(np.full(s.shape[-2:], -1e30), 1 + s.shape[-1] - s.shape[-2])
    p = np.exp(s - np.logaddexp.reduce(s, axis=-1, keepdims=True))
    return np.einsum("...ts,...sd->...td", p if gates is None else p * gates, v).astype(q.dtype)


def causal_attention_backward(xp, dy, *, q, k, v, p, gates, scale):
    scale, gates = (scale or q.shape[-1] ** -0.5), (np.ones_like(p) if gates is None else gates)
    *lead, G, S, D = k.shape
    R = q.shape[-3] // G
    big_k, big_v = np.repeat(k, R, axis=-3), np.repeat(v, R, axis=-3)
    dp = np.einsum("...te,...se->...ts", dy, big_v) * gates
    slope = np.einsum("...ts,sr->...tsr", p, np.eye(S)) - p[..., :, None] * p[..., None, :]
    ds = np.einsum("...ts,...tsr->...tr", dp, slope)
    dq = np.einsum("...ts,...sd->...td", ds, big_k) * scale
    dk = np.einsum("...ts,...td->...sd", ds, q).reshape(*lead, G, R, S, D).sum(axis=-3) * scale
    dv = np.einsum("...ts,...te->...se", p * gates, dy).reshape(*lead, G, R, S, v.shape[-1]).sum(axis=-3)
    return [dq, dk, dv, None]


def rotary(xp, x, positions, *, base=10000.0):
    h = x.shape[-1] // 2
    turn = np.exp(1j * np.multiply.outer(positions.astype(float), np.exp(-np.log(base) * np.arange(h) / h)))
    z = (x[..., :h] + 1j * x[..., h:]) * turn
    return np.concatenate([z.real, z.imag], -1).astype(x.dtype)


def embedding_backward(xp, dy, *, ids, shape):
    columns = [
        np.bincount(ids.reshape(-1), weights=column, minlength=shape[0]) for column in dy.reshape(-1, shape[1]).T
    ]
    return np.stack(columns, axis=1).astype(dy.dtype)


def split_heads(xp, x, *, heads, size, start=0):
    return np.stack([x[..., start + n * size : start + (n + 1) * size] for n in range(heads)], axis=-3)


def merge_heads(xp, x):
    return np.concatenate([x[..., n, :, :] for n in range(x.shape[-3])], axis=-1)


def unbroadcast(gradient, shape):
    if np.broadcast_shapes(gradient.shape, shape) != gradient.shape:
        raise ValueError("no")
    while gradient.ndim > len(shape):
        gradient = gradient.sum(0)
    for axis, side in enumerate(shape):
        if side == 1:
            gradient = np.add.reduce(gradient, axis, keepdims=True)
    return np.asarray(gradient)


def backward_pass(last, grad, pulled):
    queue, total, leaves = [-last], {last: grad * 1}, {}
    while queue:
        node = -heapq.heappop(queue)
        for source, gradient in pulled(node, total[node]):
            if isinstance(source, str):
                leaves.setdefault(source, []).append(gradient)
                continue
            if source not in total:
                heapq.heappush(queue, -source)
            total[source] = total.get(source, 0) + gradient
    return {name: sum(parts) for name, parts in leaves.items()}


def numerical_gradient(f, x, *, step=1e-3):
    x, dx = x.copy(), np.empty_like(x)
    for i in range(x.size):
        kept, sides = x.flat[i], []
        for sign in (1, -1):
            x.flat[i] = kept + sign * step
            sides.append(f(x))
        dx.flat[i], x.flat[i] = (sides[0] - sides[1]) / (2 * step), kept
    return dx


def spelled_softmax_cross_entropy(logits, targets, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    N = logits.shape[0]
    logp = logits - logits.max(axis=1, keepdims=True)
    logp = logp - logp.exp().sum(axis=1, keepdims=True).log()
    losses = -(1 - label_smoothing) * logp[np.arange(N), targets] - label_smoothing * logp.mean(axis=1)
    losses = losses * np.array([float(t != ignore_index) for t in targets])
    if reduction == "none":
        return losses
    return losses.sum() / (max(sum(t != ignore_index for t in targets), 1) if reduction == "mean" else 1)


def spelled_causal_attention(q, k, v):
    H, T, D = q.shape
    G, S, _ = k.shape
    heads = []
    for h in range(H):
        rows = []
        for t in range(T):
            seen = slice(0, t + S - T + 1)
            scores = (k[h * G // H, seen] * q[h, t]).sum(axis=-1) / math.sqrt(D)
            rows.append(F.softmax(scores) @ v[h * G // H, seen])
        heads.append(F.stack(rows))
    return F.stack(heads)


def mlp_forward(self, x):
    if self.kind == "swiglu":
        gate = x @ self.c_gate.weight + self.c_gate.bias
        inner = gate / ((-gate).exp() + 1) * self.c_fc(x)
    else:
        inner = F.gelu(self.c_fc(x), "none" if self.kind == "gelu" else "tanh")
    return self.dropout.forward(inner @ self.c_proj.weight + self.c_proj.bias)


class MyBlock(Module):
    def __init__(self, config, layer, rngs, dtype):
        super().__init__()
        whole = Block(config, layer, rngs, dtype)
        self.ln_1, self.attn, self.ln_2, self.mlp = whole.ln_1, whole.attn, whole.ln_2, whole.mlp

    def forward(self, x, *rest):
        for norm, part, more in ((self.ln_1, self.attn, rest), (self.ln_2, self.mlp, ())):
            x = part(norm(x), *more) + x
        return x


RIGHT = {
    each.__name__: each
    for each in (
        causal_mask, causal_attention, causal_attention_backward, rotary, embedding_backward, split_heads, merge_heads,
        unbroadcast, backward_pass, numerical_gradient, spelled_softmax_cross_entropy, spelled_causal_attention,
        mlp_forward,
    )
} | {"block": MyBlock}  # fmt: skip


@pytest.mark.parametrize("name", list(RIGHT))
def test_a_right_answer_of_another_style_is_right(name: str) -> None:
    problem = problem_named(name)
    verdict = judge(problem, Here(RIGHT[name], problem.drive, problem.work and problem.work.count))
    assert verdict.status == "right", f"{name}: {verdict.sentence} {verdict.failing}"


# -- drives ----------------------------------------------------------------------------------------------

X = pattern((1, 3, 4))


def test_what_a_drive_says_is_a_gradient_is_one() -> None:
    """Against central differences of the value that the same drive returns."""
    for drive, answer, settings in (
        (in_mlp, MLP.forward, {"mlp": "swiglu"}),
        (in_attention, CausalSelfAttention.forward, {"n_head": 2, "position": "rope"}),
        (in_block, Block, {"n_head": 2}),
    ):
        weights = pattern(X.shape)
        dx = drive(answer, X, **settings)["dx"]
        for index in [(0, 0, 1), (0, 2, 3)]:
            values = []
            for step in (1e-5, -1e-5):
                moved = X.copy()
                moved[index] += step
                values.append((drive(answer, moved, **settings)["y"] * weights).sum())
            assert math.isclose((values[0] - values[1]) / 2e-5, dx[index], rel_tol=1e-5, abs_tol=1e-6)


def test_a_drive_shows_every_parameter() -> None:
    found = in_mlp(MLP.forward, X, seed=3)
    assert list(found) == ["y", "dx", "d c_fc.weight", "d c_fc.bias", "d c_proj.weight", "d c_proj.bias"]
    assert all(np.any(value) for value in found.values())
    assert any("wpe" in name for name in in_gpt(GPT.hidden, np.array([[1, 2]])))


@pytest.mark.parametrize("seen", [1, 2])
def test_a_cache_changes_nothing(seen: int) -> None:
    at_once = in_attention(CausalSelfAttention.forward, X, n_head=2)["y"]
    assert np.allclose(in_attention(CausalSelfAttention.forward, X, n_head=2, seen=seen)["y"], at_once[:, seen:])
    ids = np.array([[1, 2, 3]])
    parts = in_gpt(GPT.hidden, ids, seen=seen)
    assert np.allclose(np.concatenate([parts["first"], parts["last"]], axis=1), in_gpt(GPT.hidden, ids)["y"])


def test_equal_calls_of_a_drive_are_equal_and_seeds_differ() -> None:
    one, other = (in_block(Block, X, seed=1)["y"] for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.allclose(in_block(Block, X, seed=2)["y"], one)


def test_a_node_that_is_asked_twice_is_spent() -> None:
    def twice(last, grad, pulled):
        pulled(last, grad)
        return dict(pulled(last, grad))

    with pytest.raises(RuntimeError, match="node 1 was asked a second time"):
        on_graph(twice, {1: [("x", 2.0)]}, 1, 1.0)


def test_an_answer_that_returns_no_tensor_is_shown_as_it_is() -> None:
    assert on_tensors(lambda x: None, X) is None
    assert in_mlp(lambda self, x: 3, X) == 3
    assert in_block(lambda *given: lambda *more: "text", X) == "text"
    gone = on_tensors(lambda x: Tensor(x.numpy()), X)
    assert gone["gradients"] == [None]
