"""A training run in a folder: made, gone on with, measured, sampled and saved; prints nothing.

A run is decided by its settings, its tokens and its seed. All that changes as it goes (weights, optimizer
state, streams of random numbers, step) is in `training.safetensors`, so a run that was stopped at any moment
and resumed ends with the same bytes as one that was not.
"""

import contextlib
import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from tinylm import checkpoint
from tinylm.backend import Streams, peak_memory
from tinylm.backend.threads import threads
from tinylm.checkpoint import AnyTokenizer, CheckpointError
from tinylm.corpus import TextError
from tinylm.data import batches, read_tokens, split, write_tokens
from tinylm.gpt import GPT
from tinylm.optim import AdamW, decay_groups
from tinylm.prepare import END, beginning, encode_documents
from tinylm.sample import generate
from tinylm.schedule import cosine
from tinylm.settings import TrainingSettings
from tinylm.show.curves import line_chart, loss_series
from tinylm.train import TrainingStep, evaluate, training
from tokenizer.formats import write_atomically

__all__ = ["Evaluation", "Record", "Run", "Sample", "Saved"]

MOST_SHARDS = 4  # parts of a batch side by side: with more of them, they wait for Python's lock
TRAIN_TOKENS, VAL_TOKENS, LOG, PICTURE = "train.npy", "val.npy", "log.jsonl", "loss.svg"


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
        self.start = beginning(tokenizer, train_tokens)
        model.recompute = settings.recompute
        self.log = _Log(folder / LOG)
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
        tokenizer_settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """A new run in a new folder, which is there whole, with a first checkpoint, or not at all.

        tokenizer_settings: how the tokenizer was trained, to be noted in config.json. Raises CheckpointError
        for a folder that holds anything already, TextError for too little text.
        """
        folder = Path(folder)
        checkpoint.check_new(folder)
        train, val = split(encode_documents(tokenizer, documents), settings.val_fraction)
        need = model.config.block_size + 1
        if len(train) < need:
            raise TextError(
                f"the text has {len(train)} tokens to train on, too few for a block of {need - 1}: "
                f"need {need}; give more text or a smaller --block-size"
            )
        making = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(making, ignore_errors=True)  # of a process that was killed here
        making.mkdir(parents=True)
        try:
            tokenizer.save(making / checkpoint.TOKENIZER)
            write_tokens(making / TRAIN_TOKENS, train)
            write_tokens(making / VAL_TOKENS, val)
            run = cls(making, settings, model, tokenizer, train, val)
            checkpoint.write_config(making, model, tokenizer, asdict(settings), tokenizer_settings, run.start)
            run.save()
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        run.folder, run.log = folder, _Log(folder / LOG)
        return run

    @classmethod
    def resume(cls, folder: str | Path, changes: Mapping[str, Any] | None = None, device: str | None = None) -> Self:
        """The run in a folder as it was when last saved; `changes` are settings that do not undo what was done.

        Raises CheckpointError for a folder that is not a run that was trained here, or is damaged.
        """
        folder = Path(folder)
        document = checkpoint.read_config(folder)
        if not isinstance(document.get("training"), dict):
            raise CheckpointError(f"{folder}: holds a model, but no training to resume; use --init-from {folder}")
        try:
            settings = TrainingSettings.from_dict({**document["training"], **(changes or {})})
        except ValueError as problem:
            raise CheckpointError(f"{folder / checkpoint.CONFIG}: {problem}") from None
        tokenizer = checkpoint.read_tokenizer(folder, document)
        model = checkpoint.build(document, folder, device, settings.seed)
        try:
            train, val = read_tokens(folder / TRAIN_TOKENS), read_tokens(folder / VAL_TOKENS)
        except (OSError, ValueError) as problem:
            raise CheckpointError(f"{folder}: the tokens cannot be read: {problem}") from None
        run = cls(folder, settings, model, tokenizer, train, val)
        state = checkpoint.load_training(folder, model, run.optimizer, tokenizer)
        run._restore(state)
        if settings.steps < run.step:
            raise CheckpointError(f"{folder}: has {run.step} steps behind it; --steps {settings.steps} is less")
        for stale in folder.glob(".*.tmp"):  # left behind by a process that was killed while it wrote
            with contextlib.suppress(OSError):
                stale.unlink()
        run.log.forget_after(run.step)
        if changes:
            how = document["tokenizer"]
            checkpoint.write_config(folder, model, tokenizer, asdict(settings), how, run.start)
        return run

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take step and streams from a checkpoint, and check that the tokens are those it was trained on."""
        file = self.folder / checkpoint.TRAINING
        try:
            self.step = int(state["step"])
            self.streams.load(state["streams"])
            self.model.streams.load(state["model_streams"])
            digest = state["tokens"]
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(f"{file}: damaged: {problem}") from None
        if digest != self._digest():
            raise CheckpointError(f"{self.folder}: {TRAIN_TOKENS} or {VAL_TOKENS} is not what this run was trained on")

    # -- training --------------------------------------------------------------------------------------

    def records(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Train from where the run is to its last step, yielding every update, evaluation, sample and save.

        Stops after the update during which should_stop() began to say True; then the run is saved, and
        what was due at that step comes when it is resumed.
        """
        s = self.settings
        yield from self._look()
        for record in training(
            self.model,
            self.optimizer,
            batches(self.train_tokens, s.batch_size, self.model.config.block_size, self.streams["data"]),
            steps=s.steps,
            start=self.step,
            schedule=partial(cosine, max_lr=s.lr, min_lr=s.lowest_lr, warmup=s.warmup, total=s.steps),
            accumulate=s.accumulate,
            clip_norm=s.clip,
            shards=min(threads(), s.batch_size, MOST_SHARDS),
        ):
            self.step = record.step
            peak = peak_memory()
            self.log.add({"step": record.step, "loss": record.loss, "lr": record.lr, "grad_norm": record.grad_norm,
                          "tokens_per_second": record.tokens / max(record.seconds, 1e-9),
                          **({} if peak is None else {"peak_memory": peak})})  # fmt: skip
            yield record
            done = self.step == s.steps
            stopping = not done and should_stop()
            if not stopping:
                yield from self._look()
            if stopping or done or _due(self.step, s.save_every):
                self.save()
                yield Saved(self.step)
            if stopping:
                return

    def _look(self) -> Iterator[Record]:
        """The evaluation and the sample that are due at this step, where the log has none yet."""
        s, done = self.settings, self.step == self.settings.steps
        if (self.step == 0 or done or _due(self.step, s.eval_every)) and not self.log.has("train_loss", self.step):
            yield self.evaluate()
        wanted = s.sample_every and self.step > 0 and (done or _due(self.step, s.sample_every))
        if wanted and not self.log.has("sample", self.step):
            text = self.sample()
            self.log.add({"step": self.step, "sample": text})
            yield Sample(self.step, text)

    def evaluate(self) -> Evaluation:
        """Losses over the beginning of each part; changes nothing that training depends on."""
        s, T = self.settings, self.model.config.block_size
        train, val = (
            evaluate(self.model, part[: s.eval_tokens + 1], s.batch_size, T) if len(part) > 1 else None
            for part in (self.train_tokens, self.val_tokens)
        )
        assert train is not None  # create and the digest see to it that there is enough text
        self.log.add({"step": self.step, "train_loss": train, "val_loss": val})
        return Evaluation(self.step, train, val)

    def sample(self, tokens: int = 100) -> str:
        """A text of the model as it is now; depends on the seed and the step alone."""
        end = self.tokenizer.special_tokens.get(END)
        ids = generate(
            self.model,
            self.start,
            tokens,
            temperature=0.8,
            top_k=50,
            stop=() if end is None else (end,),
            seed=self.settings.seed * 1_000_003 + self.step,
        )
        return self.tokenizer.decode([i for i in (*self.start, *ids) if i != end])

    # -- the folder --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state of training, then the weights alone, then the picture; each file atomically."""
        state = {
            "step": self.step,
            "streams": self.streams.state(),
            "model_streams": self.model.streams.state(),
            "tokens": self._digest(),
        }
        checkpoint.save_training(self.folder, self.model, self.optimizer, self.tokenizer, state)
        checkpoint.save_weights(self.folder, self.model, self.tokenizer)
        write_atomically(self.folder / PICTURE, self.log.picture(self._bounds()).encode())

    def _bounds(self) -> dict[str, float]:
        """Losses that need no context, in nats a token: all ids alike, and each as frequent as in the training part."""
        if not hasattr(self, "_levels"):
            counts = np.bincount(self.train_tokens)
            p = counts[counts > 0] / len(self.train_tokens)
            unigram = float(-(p * np.log(p)).sum())
            self._levels = {"uniform ln V": math.log(self.model.config.vocab_size), "token frequencies": unigram}
        return self._levels

    def _digest(self) -> str:
        """SHA-256 over the tokens of both parts."""
        if not hasattr(self, "_tokens_digest"):
            both = hashlib.sha256()
            for part in (self.train_tokens, self.val_tokens):
                both.update(f"{part.dtype} {len(part)};".encode())
                both.update(np.ascontiguousarray(part).data)
            self._tokens_digest = both.hexdigest()
        return self._tokens_digest


class _Log:
    """log.jsonl: one JSON object a line, each with a step; also kept in memory, for the picture."""

    def __init__(self, path: Path):
        self.path = path
        self.entries = self._read()

    def _read(self) -> list[dict[str, Any]]:
        """The entries of the file; a last line that was cut off by a crash is left out."""
        entries = []
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                with contextlib.suppress(ValueError, RecursionError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                        entries.append(entry)
        return entries

    def add(self, entry: dict[str, Any]) -> None:
        """Append one entry, with the time."""
        entry = {"time": round(time.time(), 3), **entry}
        self.entries.append(entry)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def has(self, key: str, step: int) -> bool:
        """Whether there is an entry of this step with this key; they are the last ones."""
        recent = (entry for entry in reversed(self.entries) if entry["step"] >= step)
        return any(key in entry and entry["step"] == step for entry in recent)

    def forget_after(self, step: int) -> None:
        """Drop entries of steps after the checkpoint: they are about to be made again."""
        self.entries = [entry for entry in self.entries if entry["step"] <= step]
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.entries)
        write_atomically(self.path, text.encode("utf-8", "replace"))

    def picture(self, bounds: Mapping[str, float]) -> str:
        """The loss curves, as SVG."""
        series = loss_series(self.entries)
        return line_chart(series, title="Loss", x_label="step", y_label="nats per token", bounds=bounds)


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0
