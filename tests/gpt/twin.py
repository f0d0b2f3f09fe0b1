"""One small training run, described once and made by tinylm; torch_twin.py makes the same with PyTorch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinylm import GPT, GPTConfig, optim, schedule

FILE = Path(__file__).with_name("torch_twin.npz")
SIZES: dict[str, Any] = {"vocab_size": 11, "block_size": 6, "n_layer": 2, "n_embd": 8, "mlp_hidden": 16}
SETTINGS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_head": 2},
    "llama": {
        "n_head": 4,
        "n_kv_head": 2,
        "norm": "rms",
        "position": "rope",
        "mlp": "swiglu",
        "bias": False,
        "tie_weights": False,
    },
}
STEPS = 50


@dataclass(frozen=True)
class Recipe:
    """How the run is made; the seeded faults change one thing each."""

    seed: int = 7
    max_lr: float = 0.02
    warmup: int = 5
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    decay: float = 0.1
    max_norm: float = 1.0
    model: dict[str, Any] = field(default_factory=dict)

    def lr(self, step: int) -> float:
        return schedule.cosine(step, max_lr=self.max_lr, min_lr=0.002, warmup=self.warmup, total=STEPS)


def config(setting: str, recipe: Recipe) -> GPTConfig:
    return GPTConfig(**(SIZES | SETTINGS[setting] | recipe.model))


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens by arithmetic, so that no generator is involved: (4, 6) inputs and targets."""
    i = np.arange(4)[:, None] * 5 + np.arange(7)[None, :] + 3 * step
    tokens = (i * i + 2 * i) % SIZES["vocab_size"]
    return tokens[:, :-1], tokens[:, 1:]


def tinylm_run(setting: str, recipe: Recipe) -> dict[str, np.ndarray]:
    """Every number to compare, by name."""
    model = GPT(config(setting, recipe), seed=recipe.seed, dtype=np.float64)
    numbers = {f"initial/{name}": array for name, array in model.state_dict().items()}
    optimizer = optim.AdamW(
        optim.decay_groups(model, recipe.decay), lr=recipe.max_lr, betas=recipe.betas, eps=recipe.eps
    )
    losses, norms = [], []
    for step in range(STEPS):
        logits, loss = model(*batch(step))
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            numbers["logits"] = logits.numpy()
            numbers |= {
                f"gradient/{n}": np.array(p.grad.numpy()) for n, p in model.named_parameters() if p.grad is not None
            }
        norms.append(optim.clip_grad_norm(model.parameters(), recipe.max_norm))
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr(step)
        optimizer.step()
        losses.append(loss.item())
    numbers |= {f"final/{name}": array for name, array in model.state_dict().items()}
    return numbers | {"losses": np.array(losses), "norms": np.array(norms)}


def largest_difference(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> tuple[float, str]:
    """Of all arrays the largest difference, relative to the largest element of its array, and its name."""
    assert list(found) == list(expected)
    return max(
        (float(np.abs(found[name] - array).max() / np.abs(array).max()), name)
        for name, array in expected.items()
        if not name.startswith("initial/")
    )


def recorded(setting: str) -> dict[str, np.ndarray]:
    with np.load(FILE, allow_pickle=False) as file:
        return {name.removeprefix(f"{setting}:"): file[name] for name in file.files if name.startswith(f"{setting}:")}
