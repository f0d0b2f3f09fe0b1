"""A training run in a folder: made, gone on with, measured, sampled and saved; prints nothing.

A run is decided by its settings and its seed. All that changes as it goes (weights, optimizer state,
streams of random numbers, step) is in `training.safetensors`, so a run that was stopped at any moment and
resumed ends with the same bytes as one that was not.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from tinylm import checkpoint
from tinylm.backend import Streams
from tinylm.checkpoint import AnyTokenizer, CheckpointError
from tinylm.corpus import TextError
from tinylm.data import batches, read_tokens, split, write_tokens
from tinylm.gpt import GPT, GPTConfig
from tinylm.optim import AdamW, decay_groups
from tinylm.sample import generate
from tinylm.schedule import cosine
from tinylm.show.curves import line_chart
from tinylm.train import TrainingStep, evaluate, training
from tokenizer import CharTokenizer, OutOfPairsError, train_bpe
from tokenizer.formats import write_atomically

__all__ = [
    "Evaluation",
    "Record",
    "Run",
    "Sample",
    "Saved",
    "TrainingSettings",
    "encode_documents",
    "new_model",
    "new_tokenizer",
    "prompt_ids",
]

TRAIN_TOKENS, VAL_TOKENS, LOG, PICTURE = "train.npy", "val.npy", "log.jsonl", "loss.svg"
END = "<|endoftext|>"
VOCAB_SIZE = 1024


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a run trains. Raises ValueError for settings that make no sense.

    steps, batch_size, accumulate    updates; windows in a batch; batches in an update
    lr, min_lr, warmup               the cosine schedule, over all steps; min_lr None is a tenth of lr
    beta1, beta2, weight_decay, clip AdamW and the largest gradient norm
    eval_every, save_every, sample_every    in steps; 0: never but at the end (samples: never at all)
    eval_tokens                      how many tokens of each part an evaluation reads at most
    val_fraction                     the last part of the text, kept for validation
    seed                             decides the initial weights, the order of the data, dropout and samples
    """

    steps: int = 400
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 2e-3
    min_lr: float | None = None
    warmup: int = 40
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.1
    clip: float = 1.0
    eval_every: int = 100
    save_every: int = 100
    sample_every: int = 200
    eval_tokens: int = 16384
    val_fraction: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_tokens"):
            _whole(name, getattr(self, name), least=1)
        for name in ("warmup", "eval_every", "save_every", "sample_every", "seed"):
            _whole(name, getattr(self, name), least=0)
        for name in ("lr", "min_lr", "beta1", "beta2", "weight_decay", "clip", "val_fraction"):
            value = getattr(self, name)
            if name == "min_lr" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a number from 0 up, got {value!r}")
        for name in ("beta1", "beta2", "val_fraction"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be below 1, got {getattr(self, name)}")
        if self.clip == 0:
            raise ValueError("clip must be above 0: it is the largest norm of the gradients")
        if self.lowest_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr} is above lr {self.lr}")

    @property
    def lowest_lr(self) -> float:
        """Where the schedule ends."""
        return self.lr / 10 if self.min_lr is None else self.min_lr

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The settings of a dict; raises ValueError naming one that is unknown."""
        known = [f.name for f in fields(cls)]
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise ValueError(f"unknown training setting {', '.join(unknown)}; known are {', '.join(known)}")
        return cls(**settings)


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Losses in nats a token after `step` updates, over up to eval_tokens of each part; None: no such part."""

    step: int
    train_loss: float
    val_loss: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A text that the model made after `step` updates."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Saved:
    """The run folder holds everything up to `step`."""

    step: int


Record = TrainingStep | Evaluation | Sample | Saved


def encode_documents(tokenizer: AnyTokenizer, documents: Sequence[str]) -> np.ndarray:
    """All documents as one row of ids, each followed by the end-of-text id where the tokenizer has one."""
    end = tokenizer.special_tokens.get(END)
    parts: list[np.ndarray] = []
    for document in documents:
        parts.append(tokenizer.encode_to_array(document, allowed_special="all"))
        if end is not None:
            parts.append(np.array([end], dtype=parts[-1].dtype))
    return np.concatenate(parts)


def prompt_ids(tokenizer: AnyTokenizer, prompt: str) -> list[int]:
    """The ids of a prompt; for an empty one what a text begins with: end-of-text, or for characters a new line."""
    if prompt:
        return tokenizer.encode(prompt, allowed_special="all")
    end = tokenizer.special_tokens.get(END)
    if end is not None:
        return [end]
    return tokenizer.encode("\n") if b"\n" in tokenizer.vocab.values() else [0]


class Run:
    """A model being trained, and the folder it lives in; made by `create` or `resume`."""

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        model: GPT,
        tokenizer: AnyTokenizer,
        train_tokens: np.ndarray,
        val_tokens: np.ndarray,
    ):
        self.folder, self.settings, self.model, self.tokenizer = folder, settings, model, tokenizer
        self.train_tokens, self.val_tokens = train_tokens, val_tokens
        self.streams = Streams(settings.seed, ("data",))
        self.step = 0
        self.optimizer = AdamW(
            decay_groups(model, settings.weight_decay), lr=settings.lr, betas=(settings.beta1, settings.beta2)
        )

    # -- beginnings ----------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: str | Path,
        documents: Sequence[str],
        tokenizer: AnyTokenizer,
        model: GPT,
        settings: TrainingSettings,
    ) -> Self:
        """A new run: encodes the documents and writes config, tokenizer, tokens and a first checkpoint.

        Raises CheckpointError for a folder that holds a run already, TextError for too little text.
        """
        folder = Path(folder)
        if (folder / checkpoint.CONFIG).exists():
            raise CheckpointError(
                f"{folder} holds a run already; go on with it: --resume {folder}, or choose another --out"
            )
        train, val = cls._split(encode_documents(tokenizer, documents), settings, model.config.block_size)
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(folder / checkpoint.TOKENIZER)
        write_tokens(folder / TRAIN_TOKENS, train)
        write_tokens(folder / VAL_TOKENS, val)
        run = cls(folder, settings, model, tokenizer, train, val)
        run._log_from(0)
        run.save()
        checkpoint.write_config(folder, model, tokenizer, asdict(settings))  # last: from now on it is a run
        return run

    @staticmethod
    def _split(tokens: np.ndarray, settings: TrainingSettings, block_size: int) -> tuple[np.ndarray, np.ndarray]:
        train, val = split(tokens, settings.val_fraction)
        need = block_size + 1
        if len(train) < need:
            raise TextError(
                f"the text has {len(train)} tokens to train on, too few for a block of {block_size}: "
                f"need {need}; give more text or a smaller --block-size"
            )
        return train, val if len(val) >= 2 else val[:0]

    @classmethod
    def resume(cls, folder: str | Path, changes: Mapping[str, Any] | None = None, device: str | None = None) -> Self:
        """The run in a folder as it was when last saved; `changes` are settings that do not undo what was done.

        Raises CheckpointError for a folder that is not a run that was trained here, or is damaged.
        """
        folder = Path(folder)
        document = checkpoint.read_config(folder)
        if not isinstance(document.get("training"), dict):
            raise CheckpointError(f"{folder}: holds a model, but no training to resume; use --init-from {folder}")
        saved = document["training"]
        try:
            settings = TrainingSettings.from_dict({**saved, **(changes or {})})
        except (TypeError, ValueError) as problem:
            raise CheckpointError(f"{folder / checkpoint.CONFIG}: {problem}") from None
        tokenizer = checkpoint.read_tokenizer(folder, document)
        model = checkpoint.build(document, folder, device, settings.seed)
        try:
            train, val = read_tokens(folder / TRAIN_TOKENS), read_tokens(folder / VAL_TOKENS)
        except (OSError, ValueError) as problem:
            raise CheckpointError(f"{folder}: the tokens cannot be read: {problem}") from None
        run = cls(folder, settings, model, tokenizer, train, val)
        state = checkpoint.load_training(folder, model, run.optimizer, tokenizer)
        try:
            run.step = int(state["step"])
            run.streams.load(state["streams"])
            model.streams.load(state["model_streams"])
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(f"{folder / checkpoint.TRAINING}: damaged: {problem}") from None
        if settings.steps < run.step:
            raise CheckpointError(f"{folder}: has {run.step} steps behind it; --steps {settings.steps} is less")
        for stale in folder.glob(".*.tmp"):  # left behind by a process that was killed while it wrote
            with contextlib.suppress(OSError):
                stale.unlink()
        run._log_from(run.step)
        if changes:
            checkpoint.write_config(folder, model, tokenizer, asdict(settings))
        return run

    # -- training --------------------------------------------------------------------------------------

    def records(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Train from where the run is to its last step, yielding every update, evaluation, sample and save.

        Stops after the update during which should_stop() began to say True; then the run is saved too.
        """
        s = self.settings
        if self.step == 0:
            yield self.evaluate()
        for record in training(
            self.model,
            self.optimizer,
            batches(self.train_tokens, s.batch_size, self.model.config.block_size, self.streams["data"]),
            steps=s.steps,
            start=self.step,
            schedule=partial(cosine, max_lr=s.lr, min_lr=s.lowest_lr, warmup=s.warmup, total=s.steps),
            accumulate=s.accumulate,
            clip_norm=s.clip,
        ):
            self.step = record.step
            self._log({"step": record.step, "loss": record.loss, "lr": record.lr, "grad_norm": record.grad_norm,
                       "tokens_per_second": record.tokens / max(record.seconds, 1e-9)})  # fmt: skip
            yield record
            stopping, done = should_stop(), self.step == s.steps
            if not stopping and (done or _due(self.step, s.eval_every)):
                yield self.evaluate()
            if not stopping and s.sample_every and (done or _due(self.step, s.sample_every)):
                yield Sample(self.step, self.sample())
            if stopping or done or _due(self.step, s.save_every):
                self.save()
                yield Saved(self.step)
            if stopping:
                return

    def evaluate(self) -> Evaluation:
        """Losses over the beginning of each part; changes nothing that training depends on."""
        s, T = self.settings, self.model.config.block_size
        losses = [
            evaluate(self.model, part[: s.eval_tokens + 1], s.batch_size, T) if len(part) > 1 else None
            for part in (self.train_tokens, self.val_tokens)
        ]
        assert losses[0] is not None
        result = Evaluation(self.step, losses[0], losses[1])
        self._log({"step": self.step, "train_loss": losses[0], "val_loss": losses[1]})
        return result

    def sample(self, tokens: int = 100) -> str:
        """A text of the model as it is now; depends on the seed and the step alone."""
        ids = generate(
            self.model,
            prompt_ids(self.tokenizer, ""),
            tokens,
            temperature=0.8,
            top_k=50,
            seed=self.settings.seed * 1_000_003 + self.step,
        )
        return self.tokenizer.decode(list(ids))

    # -- the folder --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state of training, then the weights alone, then the picture; each file atomically."""
        state = {"step": self.step, "streams": self.streams.state(), "model_streams": self.model.streams.state()}
        checkpoint.save_training(self.folder, self.model, self.optimizer, self.tokenizer, state)
        checkpoint.save_weights(self.folder, self.model, self.tokenizer)
        write_atomically(self.folder / PICTURE, self.picture().encode())

    def picture(self) -> str:
        """The loss curves of the log, as SVG."""
        curves: dict[str, list[tuple[float, float]]] = {"batch": [], "train": [], "validation": []}
        for entry in self._read_log():
            for key, curve in (("loss", "batch"), ("train_loss", "train"), ("val_loss", "validation")):
                if entry.get(key) is not None:
                    curves[curve].append((entry["step"], entry[key]))
        shown = {name: points for name, points in curves.items() if points}
        return line_chart(shown, title="Loss", x_label="step", y_label="nats per token")

    def _log(self, entry: dict[str, Any]) -> None:
        entry = {"time": round(time.time(), 3), **entry}
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _read_log(self) -> list[dict[str, Any]]:
        """The entries of the log; a last line that was cut off by a crash is left out."""
        entries = []
        with contextlib.suppress(FileNotFoundError), open(self.folder / LOG, encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                        entries.append(entry)
        return entries

    def _log_from(self, step: int) -> None:
        """Drop entries of steps after the checkpoint: they are about to be made again."""
        kept = [entry for entry in self._read_log() if entry["step"] <= step]
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        write_atomically(self.folder / LOG, text.encode())


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def new_tokenizer(
    documents: Sequence[str],
    *,
    kind: Literal["bpe", "char"] = "bpe",
    vocab_size: int | None = None,
    pattern: str = "gpt2",
    tie_break: str = "huggingface",
    progress: Callable[[Any], object] | None = None,
) -> AnyTokenizer:
    """A tokenizer trained on the documents: byte-level BPE, or nanoGPT's characters.

    vocab_size: None means 1024, or as many as a short text gives.
    """
    if kind == "char":
        return CharTokenizer(documents)
    train = partial(train_bpe, pattern=pattern, special_tokens=(END,), tie_break=tie_break, progress=progress)
    if vocab_size is not None:
        return train(iter(documents), vocab_size)
    try:
        return train(iter(documents), VOCAB_SIZE)
    except OutOfPairsError as less:  # nobody asked for so many
        return train(iter(documents), less.vocab_size)


def new_model(settings: Mapping[str, Any], tokenizer: AnyTokenizer, seed: int, dtype: str = "float32") -> GPT:
    """A model of this shape for this tokenizer, with initial weights from the seed."""
    return GPT(GPTConfig.from_dict({**settings, "vocab_size": tokenizer.vocab_size}), seed=seed, dtype=np.dtype(dtype))
