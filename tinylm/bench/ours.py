"""tinylm as a contender: training, decoding, and what of the machine NumPy reaches. Run by contender.py."""

import inspect
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinylm.autograd import Timer, no_grad, tensor, watching
from tinylm.bench.contender import Calls
from tinylm.bench.shapes import Shape
from tinylm.gpt import GPT, GPTConfig
from tinylm.optim import AdamW, decay_groups
from tinylm.sample import generate
from tinylm.train import training

__all__ = ["contender"]

BATCHES = 8  # drawn once, then taken in turns


class TimedAdamW(AdamW):
    """An AdamW that adds up the seconds of its steps."""

    seconds = 0.0

    def step(self) -> None:
        began = time.perf_counter()
        super().step()
        self.seconds += time.perf_counter() - began


def contender(settings: dict[str, Any]) -> Calls:
    """The pieces of work of settings["work"]."""
    return WORKS[settings["work"]](settings)


def _model(settings: dict[str, Any]) -> GPT:
    shape = {name: settings["shape"][name] for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")}
    return GPT(GPTConfig(**shape, bias=False), seed=0)


def _fill(model: GPT, file: Any) -> None:
    """Read one array after the other, so that no second copy of all the weights raises the peak of memory."""
    with no_grad():
        for name, p in model.named_parameters():
            p[...] = file[name]


def weights(settings: dict[str, Any]) -> Calls:
    """Write the file that every contender begins with: our initial weights, batches and a prompt, drawn from seeds.

    Where the model is to decode, the matrices of the blocks are made `scale` times as large: with GPT-2's own a model
    that was never trained repeats its last token for ever, and a wrong token would not show.
    """

    def write() -> Iterator[int]:
        shape = Shape(**settings["shape"])
        arrays: dict[str, Any] = _model(settings).state_dict()
        for name in arrays:
            if ".c_" in name:
                arrays[name] = arrays[name] * np.float32(settings.get("scale", 1))
        rng = np.random.default_rng(0)
        arrays["batches"] = rng.integers(0, shape.vocab_size, (BATCHES, shape.batch, shape.block_size + 1))
        arrays["prompt"] = rng.integers(0, shape.vocab_size, shape.block_size)
        np.savez(settings["weights"], **arrays)
        yield Path(settings["weights"]).stat().st_size

    return {"write": write}


def train(settings: dict[str, Any]) -> Calls:
    """ "train" makes one update and gives its loss; "profile" gives [seconds, of them AdamW's, {op: seconds}]."""
    model = _model(settings)
    with np.load(settings["weights"]) as file:
        _fill(model, file)
        pairs = [(row[:, :-1], row[:, 1:]) for row in file["batches"]]
    optimizer = TimedAdamW(decay_groups(model, 0.1), lr=1e-3, betas=(0.9, 0.99))
    shards = min(settings["threads"], Shape(**settings["shape"]).batch)
    options: dict[str, Any] = {"shards": shards} if "shards" in inspect.signature(training).parameters else {}
    steps = training(model, optimizer, itertools.cycle(pairs), clip_norm=1.0, **options)

    def profile() -> Iterator[list[Any]]:
        while True:
            timer, before, began = Timer(), optimizer.seconds, time.perf_counter()
            with watching(timer):
                next(steps)
            ops = {f"{op} {phase}": seconds for (phase, op), seconds in timer.seconds.items()}
            yield [time.perf_counter() - began, optimizer.seconds - before, ops]

    losses = (step.loss for step in steps)
    return {"train": lambda: losses, "profile": profile}


def decode(settings: dict[str, Any]) -> Calls:
    """ "decode" gives the next greedy token after a prompt that has been read; "prefill" reads a prompt."""
    model = _model(settings)
    with np.load(settings["weights"]) as file:
        _fill(model, file)
        prompt = file["prompt"].tolist()

    def decoding() -> Iterator[int]:
        tokens = generate(model, prompt[: settings["prompt"]], settings["new"], temperature=0)
        next(tokens)
        return tokens

    def prefill() -> Iterator[int]:
        while True:
            yield next(generate(model, prompt[: settings["prefill"]], 1, temperature=0))

    return {"decode": decoding, "prefill": prefill}


def machine(settings: dict[str, Any]) -> Calls:
    """ "matmul" multiplies two square matrices; "dot" and "gemv" read one array; "overhead" is a chain of tiny ops."""
    rng = np.random.default_rng(0)

    def matmul() -> Iterator[None]:
        a, b = rng.standard_normal((2, settings["size"], settings["size"]), dtype=np.float32)
        product = np.empty_like(a)
        while True:
            np.matmul(a, b, out=product)
            yield None

    def dot() -> Iterator[None]:
        x = np.ones(settings["floats"], np.float32)
        while True:
            x.dot(x)
            yield None

    def gemv() -> Iterator[None]:
        x = np.ones((settings["floats"] // 4096, 4096), np.float32)
        row = np.ones(len(x), np.float32)
        while True:
            row @ x
            yield None

    def overhead() -> Iterator[None]:
        while True:
            x, w = (tensor(np.ones(4, np.float32), requires_grad=True) for _ in "xw")
            y = x
            for _ in range(settings["ops"] // 2):
                y = y * w + x
            y.backward(np.ones(4, np.float32))
            yield None

    return {"matmul": matmul, "dot": dot, "gemv": gemv, "overhead": overhead}


WORKS = {"weights": weights, "train": train, "decode": decode, "machine": machine}
