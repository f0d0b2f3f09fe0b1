"""Right answers on tensors and text streams that take every part apart, and call hardly any of the library's own."""

import math

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor
from tinylm.gpt import MLP, CausalSelfAttention, _norm
from tinylm.nn import Module


def mlp_forward(self, x):
    h = x @ self.c_fc.weight
    if self.c_fc.bias is not None:
        h = h + self.c_fc.bias
    if self.kind == "swiglu":
        gate = self.c_gate(x)
        h = h * gate / (1 + F.exp(-gate))
    elif self.kind == "gelu_tanh":
        h = h * 0.5 * (1 + F.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h * h * h)))
    else:
        h = F.gelu(h)
    return self.dropout(self.c_proj(h))


def attention_forward(self, x, positions, cache=None):
    H, G, D = self.config.n_head, self.config.kv_heads, self.config.head_size
    parts = self.c_attn(x)
    one = [parts[:, :, i * D : (i + 1) * D] for i in range(H + 2 * G)]
    q, k, v = (F.stack(some, axis=1) for some in (one[:H], one[H : H + G], one[H + G :]))
    if self.config.position == "rope":
        q, k = (F.rotary(each, positions, self.config.rope_base) for each in (q, k))
    if cache is not None:
        k, v = cache.extend(self.layer, k, v)
    T, S = q.shape[2], k.shape[2]
    seen = np.tri(T, S, S - T, dtype=bool) if cache is None or cache.mask is None else cache.mask
    heads = []
    for h in range(H):
        scores = (q[:, h] @ k[:, h * G // H].swapaxes(1, 2)) / D**0.5
        weights = F.softmax(F.where(seen, scores, -1e30), axis=2)
        heads.append(weights @ v[:, h * G // H])
    return self.resid_dropout(self.c_proj(F.concatenate(heads, axis=-1)))


class Block(Module):
    def __init__(self, config, layer, rngs, dtype):
        super().__init__()
        self.ln_1, self.ln_2 = _norm(config, dtype), _norm(config, dtype)
        self.attn = CausalSelfAttention(config, layer, rngs, dtype)
        self.mlp = MLP(config, rngs, dtype)

    def forward(self, *given):
        stream, *rest = given
        for norm, part, more in ((self.ln_1, self.attn, rest), (self.ln_2, self.mlp, [])):
            stream = part(norm(stream), *more) + stream
        return stream


def spelled_softmax(x, axis=-1):
    e = F.exp(x - Tensor(x.numpy().max(axis, keepdims=True)))
    return e / F.sum(e, axis=axis, keepdims=True)


def backward_pass(last, grad, pulled):
    """Node by node from the newest down, whether or not anything came to it."""
    arrived = {last: [grad]}
    leaves = {}
    for node in range(last, -1, -1):
        if node in arrived:
            for source, gradient in pulled(node, sum(arrived.pop(node))):
                (leaves if isinstance(source, str) else arrived).setdefault(source, []).append(gradient)
    return {name: sum(gradients) for name, gradients in leaves.items()}


class StreamDecoder:
    """Holds back what may still become a character, byte by byte, without a codec of its own."""

    def __init__(self, tokenizer, errors="replace"):
        self.decode, self.errors, self.held = tokenizer.decode_bytes, errors, b""

    def feed(self, ids):
        self.held += self.decode([ids] if isinstance(ids, int) else list(ids))
        for size in (3, 2, 1):
            tail = self.held[-size:]
            long = {0b110: 2, 0b1110: 3, 0b11110: 4}
            wanted = next((n for bits, n in long.items() if len(tail) == size and tail[0] >> (7 - n) == bits), 0)
            if wanted > size and all(byte >> 6 == 0b10 for byte in tail[1:]):
                whole, self.held = self.held[:-size], tail
                return whole.decode("utf-8", self.errors)
        return self.flush()

    def flush(self):
        whole, self.held = self.held, b""
        return whole.decode("utf-8", self.errors)
