"""The run of twin.py in PyTorch, from its own attention, norms, activations, optimizer and clipping."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.gpt.twin import STEPS, Recipe, batch, config
from tinylm import GPT, GPTConfig

Weights = dict[str, torch.Tensor]
torch.set_num_threads(1)  # the model is tiny: threads would only wait for each other


def linear(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[f"{name}.weight"].t(), w.get(f"{name}.bias"))


def norm(c: GPTConfig, w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    if c.norm == "rms":
        return F.rms_norm(x, (c.n_embd,), w[f"{name}.weight"], c.norm_eps)
    return F.layer_norm(x, (c.n_embd,), w[f"{name}.weight"], w.get(f"{name}.bias"), c.norm_eps)


def rope(c: GPTConfig, x: torch.Tensor) -> torch.Tensor:
    """Pairs as complex numbers, turned by multiplication."""
    half = c.head_size // 2
    angles = torch.outer(
        torch.arange(x.shape[-2], dtype=x.dtype), c.rope_base ** (-torch.arange(half, dtype=x.dtype) / half)
    )
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((turned.real, turned.imag), dim=-1)


def block(c: GPTConfig, w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    h = linear(w, f"{name}.attn.c_attn", norm(c, w, f"{name}.ln_1", x))
    q, k, v = (
        part.unflatten(-1, (-1, c.head_size)).transpose(1, 2)
        for part in h.split([c.n_embd, c.kv_heads * c.head_size, c.kv_heads * c.head_size], dim=-1)
    )
    if c.position == "rope":
        q, k = rope(c, q), rope(c, k)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=c.kv_heads != c.n_head)
    x = x + linear(w, f"{name}.attn.c_proj", y.transpose(1, 2).flatten(2))
    h = norm(c, w, f"{name}.ln_2", x)
    up = linear(w, f"{name}.mlp.c_fc", h)
    if c.mlp == "swiglu":
        up = F.silu(linear(w, f"{name}.mlp.c_gate", h)) * up
    else:
        up = F.gelu(up, approximate="tanh" if c.mlp == "gelu_tanh" else "none")
    return x + linear(w, f"{name}.mlp.c_proj", up)


def forward(c: GPTConfig, w: Weights, ids: torch.Tensor) -> torch.Tensor:
    x = F.embedding(ids, w["wte.weight"])
    if c.position == "learned":
        x = x + w["wpe.weight"][: ids.shape[1]]
    for layer in range(c.n_layer):
        x = block(c, w, f"h.{layer}", x)
    x = norm(c, w, "ln_f", x)
    return F.linear(x, w["wte.weight"] if c.tie_weights else w["lm_head.weight"].t())


def torch_run(setting: str, recipe: Recipe) -> dict[str, np.ndarray]:
    """The same numbers as tinylm_run, from the same initial weights."""
    c = config(setting, recipe)
    initial = GPT(c, seed=recipe.seed, dtype=np.float64).state_dict()
    numbers = {f"initial/{name}": array for name, array in initial.items()}
    w = {name: torch.tensor(array, requires_grad=True) for name, array in initial.items()}
    groups = [
        {"params": [p for p in w.values() if p.ndim >= 2], "weight_decay": recipe.decay},
        {"params": [p for p in w.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=recipe.max_lr, betas=recipe.betas, eps=recipe.eps)
    losses, norms = [], []
    for step in range(STEPS):
        ids, targets = (torch.tensor(array) for array in batch(step))
        logits = forward(c, w, ids)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            numbers["logits"] = logits.detach().numpy()
            numbers |= {f"gradient/{n}": p.grad.numpy().copy() for n, p in w.items() if p.grad is not None}
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(w.values()), recipe.max_norm)))
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr(step)
        optimizer.step()
        losses.append(loss.item())
    numbers |= {f"final/{n}": p.detach().numpy() for n, p in w.items()}
    return numbers | {"losses": np.array(losses), "norms": np.array(norms)}
