"""JAX, to be measured against: the same model and steps, one jitted function that updates its arguments in place."""

import itertools
import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp

from benchmarks.peer_adamw import BETA1, BETA2, CLIP, DECAY, EPS, LR, read


def norm(x: Any, gain: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain


def loss(w: dict[str, Any], x: Any, y: Any, L: int, H: int) -> Any:
    (B, T), C = x.shape, w["wte.weight"].shape[1]
    past = jnp.tril(jnp.ones((T, T), bool))
    h = w["wte.weight"][x] + w["wpe.weight"][:T]
    for i in range(L):
        qkv = norm(h, w[f"h.{i}.ln_1.weight"]) @ w[f"h.{i}.attn.c_attn.weight"]
        q, k, v = qkv.reshape(B, T, 3, H, C // H).transpose(2, 0, 3, 1, 4)
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(C // H)
        attended = jax.nn.softmax(jnp.where(past, scores, -jnp.inf)) @ v
        h = h + attended.transpose(0, 2, 1, 3).reshape(B, T, C) @ w[f"h.{i}.attn.c_proj.weight"]
        wide = jax.nn.gelu(norm(h, w[f"h.{i}.ln_2.weight"]) @ w[f"h.{i}.mlp.c_fc.weight"], approximate=False)
        h = h + wide @ w[f"h.{i}.mlp.c_proj.weight"]
    logits = norm(h, w["ln_f.weight"]) @ w["wte.weight"].T
    chosen = jnp.take_along_axis(logits, y[..., None], -1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, -1) - chosen)


@partial(jax.jit, static_argnums=(6, 7), donate_argnums=(0, 1, 2))
def update(w: Any, m: Any, v: Any, t: Any, x: Any, y: Any, L: int, H: int) -> Any:
    value, g = jax.value_and_grad(loss)(w, x, y, L, H)
    scale = jnp.minimum(1.0, CLIP / (jnp.sqrt(sum(jnp.vdot(a, a) for a in g.values())) + 1e-6))
    g = {name: a * scale for name, a in g.items()}
    m = {name: BETA1 * m[name] + (1 - BETA1) * a for name, a in g.items()}
    v = {name: BETA2 * v[name] + (1 - BETA2) * a * a for name, a in g.items()}

    def moved(name: str) -> Any:
        p = w[name] * (1 - LR * DECAY) if w[name].ndim >= 2 else w[name]
        return p - LR * (m[name] / (1 - BETA1**t)) / (jnp.sqrt(v[name] / (1 - BETA2**t)) + EPS)

    return value, {name: moved(name) for name in w}, m, v


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[float]]]:
    arrays, batches = read(settings)
    sizes = settings["shape"]["n_layer"], settings["shape"]["n_head"]

    def train() -> Iterator[float]:
        w = {name: jnp.array(a) for name, a in arrays.items()}
        m, v = ({name: jnp.zeros_like(a) for name, a in w.items()} for _ in "mv")
        for t, row in enumerate(itertools.cycle(batches), 1):
            x, y = jnp.asarray(row[:, :-1]), jnp.asarray(row[:, 1:])
            value, w, m, v = update(w, m, v, jnp.float32(t), x, y, *sizes)
            yield float(value)

    losses = train()
    return {"train": lambda: losses}
