"""PyTorch, to be measured against, run by contender.py in a process of its own: nanoGPT's model, trained and decoded.

Nothing in tinylm imports this file, and it imports nothing of tinylm."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn


class Attention(nn.Module):  # type: ignore[misc]
    def __init__(self, C: int, H: int) -> None:
        super().__init__()
        self.H, self.c_attn, self.c_proj = H, nn.Linear(C, 3 * C, bias=False), nn.Linear(C, C, bias=False)

    def forward(self, x: Any, kept: Any, start: int) -> Any:
        B, T, C = x.shape
        q, k, v = (part.view(B, T, self.H, C // self.H).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        if kept is not None:
            kept[0, :, :, start : start + T], kept[1, :, :, start : start + T] = k, v
            k, v = kept[0, :, :, : start + T], kept[1, :, :, : start + T]
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, C: int, H: int) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(C, bias=False), Attention(C, H)
        layers = {"c_fc": nn.Linear(C, 4 * C, bias=False), "gelu": nn.GELU(), "c_proj": nn.Linear(4 * C, C, bias=False)}
        self.ln_2, self.mlp = nn.LayerNorm(C, bias=False), nn.Sequential(OrderedDict(layers))

    def forward(self, x: Any, kept: Any, start: int) -> Any:
        x = x + self.attn(self.ln_1(x), kept, start)
        return x + self.mlp(self.ln_2(x))


class Twin(nn.Module):  # type: ignore[misc]
    """nanoGPT's model without biases and dropout; parameters have GPT-2's names, as ours do."""

    def __init__(self, n_layer: int, n_head: int, n_embd: int, block_size: int, vocab_size: int, batch: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab_size, n_embd), nn.Embedding(block_size, n_embd)
        self.h = nn.ModuleList(Block(n_embd, n_head) for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd, bias=False)
        self.cache = (n_layer, 2, 1, n_head, block_size, n_embd // n_head)

    def forward(self, ids: Any, targets: Any = None, kept: Any = None, start: int = 0) -> Any:
        """The loss, or without targets the last position's logits; `kept` holds keys and values before `start`."""
        x = self.wte(ids) + self.wpe(torch.arange(start, start + ids.shape[1]))
        for layer, block in enumerate(self.h):
            x = block(x, None if kept is None else kept[layer], start)
        logits = nn.functional.linear(self.ln_f(x[:, -1:] if targets is None else x), self.wte.weight)
        return logits if targets is None else nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[Any]]]:
    """The same pieces of work as ours; settings["options"] choose PyTorch's faster forms of training."""
    torch.set_num_threads(settings["threads"])
    if settings["work"] == "machine":
        return machine(settings["size"], settings["ops"])
    model = Twin(**settings["shape"])
    with np.load(settings["weights"]) as file, torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(file[name].T if ".c_" in name else file[name]))
        batches, prompt = torch.from_numpy(file["batches"]), torch.from_numpy(file["prompt"])[None]
    losses = train(model, batches, **settings.get("options", {}))
    start, read = prompt[:, : settings.get("prompt")], prompt[:, : settings.get("prefill")]

    def decoding() -> Iterator[int]:
        next(tokens := decode(model, start))
        return tokens

    prefill = iter(lambda: next(decode(model, read)), None)
    return {"train": lambda: losses, "decode": decoding, "prefill": lambda: prefill}


def train(model: Twin, batches: Any, fused: bool = False, compile: bool = False) -> Iterator[float]:  # noqa: A002
    matrices, vectors = ([p for p in model.parameters() if (p.dim() >= 2) is big] for big in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=fused or None)
    run = torch.compile(model) if compile else model
    for row in itertools.cycle(batches):
        loss = run(row[:, :-1], row[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield loss.item()


def decode(model: Twin, ids: Any) -> Iterator[int]:
    kept, start = torch.empty(model.cache), 0
    while True:
        with torch.no_grad():
            token = model(ids, kept=kept, start=start)[:, -1].argmax(-1, keepdim=True)
        yield int(token)
        start, ids = start + ids.shape[1], token


def machine(size: int, ops: int) -> dict[str, Callable[[], Iterator[Any]]]:
    a, b, product = (torch.randn(size, size) for _ in range(3))

    def overhead() -> None:
        x, w = (torch.ones(4, requires_grad=True) for _ in "xw")
        y = x
        for _ in range(ops // 2):
            y = y * w + x
        y.backward(torch.ones(4))

    return {
        "matmul": lambda: iter(lambda: torch.matmul(a, b, out=product).ndim, 0),
        "overhead": lambda: iter(overhead, 0),
    }
