"""A training run in a folder: made, gone on with, measured, sampled and saved; prints nothing.

A run is decided by its settings, its tokens and its seed. All that changes as it goes (weights, optimizer
state, streams of random numbers, step) is in `training.safetensors`, so a run that was stopped at any moment
and resumed ends with the same bytes as one that was not.
"""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from tinylm import checkpoint
from tinylm.backend import Streams, peak_memory
from tinylm.backend.threads import threads
from tinylm.checkpoint import AnyTokenizer, CheckpointError
from tinylm.data import Dialogues, Part, batches, read_part, tokens_of, write_part
from tinylm.formats import load_model
from tinylm.gpt import GPT
from tinylm.logfile import Log
from tinylm.lora import Base, Trained, attach, load_base, new_adapter, read_adapter, write_adapter, write_base
from tinylm.nonfinite import fault_in
from tinylm.optim import AdamW, decay_groups
from tinylm.prepare import beginning, end_of_text, training_parts, with_dropout
from tinylm.sample import generate
from tinylm.schedule import cosine
from tinylm.settings import Conventions, TrainingSettings
from tinylm.train import TrainingStep, evaluate, not_finite, training
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
        train_tokens: Part,
        val_tokens: Part,
        conventions: Conventions | None = None,
        base: Base | None = None,
    ):
        self.folder, self.settings, self.model, self.tokenizer = folder, settings, model, tokenizer
        self.train_tokens, self.val_tokens = train_tokens, val_tokens
        self.streams = Streams(settings.seed, ("data",))
        self.step = 0
        self.began = 0  # the step at which this process took the run up
        self.saved = -1  # the step that the folder holds; -1: none yet
        self.conventions, self.base = conventions or Conventions(), base
        self.start = list(self.conventions.start) or beginning(tokenizer, tokens_of(train_tokens))
        self.context = min(settings.context or model.config.block_size, model.config.block_size)
        self.trained = cast(GPT, Trained(model)) if base else model  # of an adapter's run only that is saved
        model.recompute = settings.recompute
        self.log = Log(folder / LOG)
        self.optimizer = AdamW(
            decay_groups(self.trained, settings.weight_decay), lr=settings.lr, betas=(settings.beta1, settings.beta2)
        )

    # -- beginnings ----------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: str | Path,
        documents: Sequence[str] | Dialogues,
        tokenizer: AnyTokenizer,
        model: GPT,
        settings: TrainingSettings,
        tokenizer_settings: Mapping[str, Any] | None = None,
        conventions: Conventions | None = None,
        base: Base | None = None,
    ) -> Self:
        """A new run in a new folder, which is there whole, with a first checkpoint, or not at all.

        tokenizer_settings: how the tokenizer was trained, to be noted in config.json. conventions: of the model that
        the run starts from. base: that model, of which the run then trains and saves nothing but a new adapter, which
        the settings describe. Raises CheckpointError for a folder that holds anything already, TextError for too
        little text.
        """
        folder = Path(folder)
        checkpoint.check_new(folder)
        train, val = training_parts(documents, tokenizer, settings, model.config.block_size, conventions)
        if base:
            how: dict[str, Any] = {"alpha": settings.lora_alpha, "dropout": settings.lora_dropout}
            attach(model, new_adapter(model, settings.lora_rank, seed=settings.seed, **how))
        making = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(making, ignore_errors=True)  # of a process that was killed here
        making.mkdir(parents=True)
        try:
            tokenizer.save(making / checkpoint.TOKENIZER)
            write_part(making / TRAIN_TOKENS, train)
            write_part(making / VAL_TOKENS, val)
            run = cls(making, settings, model, tokenizer, train, val, conventions, base)
            if base:
                write_base(making, base)
            run._write_config(tokenizer_settings)
            run.save()
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        run.folder, run.log = folder, Log(folder / LOG)
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
            conventions = Conventions.from_dict(document.get("use", {}))
        except ValueError as problem:
            raise CheckpointError(f"{folder / checkpoint.CONFIG}: {problem}") from None
        tokenizer = checkpoint.read_tokenizer(folder, document)
        base = None
        if settings.lora_rank:
            loaded, base = load_base(folder, partial(load_model, device=device))
            model = _adapted(folder, with_dropout(loaded.model, document["model"].get("dropout", 0.0)), settings, base)
        else:
            model = checkpoint.build(document, folder, device, settings.seed)
        try:
            train, val = read_part(folder / TRAIN_TOKENS), read_part(folder / VAL_TOKENS)
        except (OSError, ValueError) as problem:
            raise CheckpointError(f"{folder}: the tokens cannot be read: {problem}") from None
        run = cls(folder, settings, model, tokenizer, train, val, conventions, base)
        state = checkpoint.load_training(folder, run.trained, run.optimizer, tokenizer)
        run._restore(state)
        run.began = run.saved = run.step
        if settings.steps < run.step:
            raise CheckpointError(f"{folder}: has {run.step} steps behind it; --steps {settings.steps} is less")
        for stale in folder.glob(".*.tmp"):  # left behind by a process that was killed while it wrote
            with contextlib.suppress(OSError):
                stale.unlink()
        run.log.forget_after(run.step)
        if changes:
            run._write_config(document["tokenizer"])
        return run

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take step and streams from a checkpoint, and check that the tokens are those it was trained on."""
        file = self.folder / checkpoint.TRAINING
        try:
            self.step = state["step"]
            if type(self.step) is not int or self.step < 0:
                raise ValueError(f"its step is {self.step!r}")
            self.streams.load(state["streams"])
            self.model.streams.load(state["model_streams"])
            digest = state["tokens"]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as problem:
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
            self._batches(),
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

    def _batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What comes next of the training part, without end."""
        s = self.settings
        if isinstance(self.train_tokens, Dialogues):
            return self.train_tokens.batches(s.batch_size, s.seed, first=self.step * s.accumulate)
        return batches(self.train_tokens, s.batch_size, self.context, self.streams["data"])

    def _look(self) -> Iterator[Record]:
        """The evaluation and the sample that are due at this step, where the log has none yet."""
        s, done = self.settings, self.step == self.settings.steps
        if (self.step == 0 or done or _due(self.step, s.eval_every)) and not self.log.has("train_loss", self.step):
            yield self.evaluate()  # which sees to it that the losses are finite
        first = isinstance(self.train_tokens, Dialogues)  # an answer before training, to compare
        wanted = s.sample_every and (self.step > 0 or first) and (done or _due(self.step, s.sample_every))
        if wanted and not self.log.has("sample", self.step):
            self._check_sound()
            text = self.sample()
            self.log.add({"step": self.step, "sample": text})
            yield Sample(self.step, text)

    def evaluate(self) -> Evaluation:
        """Losses over the beginning of each part; changes nothing that training depends on.

        Raises TrainingError, naming the first guilty op, where one is not finite.
        """
        s = self.settings
        train, val = (
            self._loss(part[: s.eval_tokens + 1], s.batch_size) if len(part) > 1 else None
            for part in (self.train_tokens, self.val_tokens)
        )
        assert train is not None  # create and the digest see to it that there is enough text
        self.log.add({"step": self.step, "train_loss": train, "val_loss": val})
        return Evaluation(self.step, train, val)

    def _loss(self, tokens: Part, batch_size: int) -> float:
        run = partial(evaluate, self.model, tokens, batch_size, self.context)
        with np.errstate(all="ignore"):
            loss = run()
        if not math.isfinite(loss):
            what = f"after step {self.step}: the loss of {len(tokens) - 1} tokens is {loss}"
            raise not_finite(what, fault_in(self.model, run), self.optimizer, first=self.step == self.began)
        return loss

    def _check_sound(self) -> None:
        """Raise TrainingError, naming the first guilty op, where the loss of the first row of text is not finite."""
        part = self.train_tokens
        self._loss(part.first(1) if isinstance(part, Dialogues) else part[: self.context + 1], 1)

    def sample(self, tokens: int = 100) -> str:
        """A text of the model as it is now; depends on the seed and the step alone.

        Of a run with dialogues it is the likeliest answer to the first question that is not trained on.
        """
        questions = [part for part in (self.val_tokens, self.train_tokens) if isinstance(part, Dialogues)]
        start = questions[0].question() if questions else self.start
        end = end_of_text(self.tokenizer, self.conventions)
        ids = generate(
            self.model,
            start,
            tokens,
            temperature=0.0 if questions else 0.8,
            top_k=50,
            stop=self.conventions.stops or (() if end is None else (end,)),
            seed=self.settings.seed * 1_000_003 + self.step,
        )
        known = range(self.tokenizer.vocab_size)  # the model's table may be padded
        return self.tokenizer.decode([i for i in (*start, *ids) if i in known and (questions or i != end)])

    # -- the folder --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state of training, then the weights alone, then the picture; each file atomically.

        Raises TrainingError, and writes nothing, where the weights give no finite loss over the beginning of the text:
        the checkpoint before is one that can be gone on with.
        """
        self._check_sound()
        state = {
            "step": self.step,
            "streams": self.streams.state(),
            "model_streams": self.model.streams.state(),
            "tokens": self._digest(),
        }
        checkpoint.save_training(self.folder, self.trained, self.optimizer, self.tokenizer, state)
        self.saved = self.step
        if self.base:
            write_adapter(self.folder, self.model, self.base)
        else:
            checkpoint.save_weights(self.folder, self.model, self.tokenizer)
        write_atomically(self.folder / PICTURE, self.log.picture(self._bounds()).encode())

    def _write_config(self, tokenizer_settings: Mapping[str, Any] | None) -> None:
        """Write config.json."""
        use = self.conventions.to_dict()
        more = ({"use": use} if use else {}) | ({"adapter": True} if self.base else {})
        settings = asdict(self.settings)
        checkpoint.write_config(
            self.folder, self.model, self.tokenizer, settings, tokenizer_settings, self.start, more=more
        )

    def _bounds(self) -> dict[str, float]:
        """Losses that need no context, in nats a token: all ids alike, and each as frequent as in the training part."""
        if not hasattr(self, "_levels"):
            part = self.train_tokens
            ids = part.answers if isinstance(part, Dialogues) else part
            counts = np.bincount(ids)
            p = counts[counts > 0] / len(ids)
            unigram = float(-(p * np.log(p)).sum())
            self._levels = {"uniform ln V": math.log(self.model.config.vocab_size), "token frequencies": unigram}
        return self._levels

    def trained_count(self) -> int:
        """How many numbers are learnt."""
        return sum(p.size for p in self.trained.parameters())

    def _digest(self) -> str:
        """SHA-256 over the tokens of both parts."""
        if not hasattr(self, "_tokens_digest"):
            both = hashlib.sha256()
            for part in (self.train_tokens, self.val_tokens):
                for array in (part.tokens, part.marks) if isinstance(part, Dialogues) else (part,):
                    both.update(f"{array.dtype} {len(array)};".encode())
                    both.update(np.ascontiguousarray(array).data)
            self._tokens_digest = both.hexdigest()
        return self._tokens_digest


def _adapted(folder: Path, model: GPT, settings: TrainingSettings, base: Base) -> GPT:
    """The model with the folder's adapter; raises CheckpointError where that is not the one of the settings."""
    adapter = read_adapter(folder, base)
    noted = (settings.lora_rank, settings.lora_alpha, settings.lora_dropout)
    if (adapter.rank, adapter.alpha, adapter.dropout) != noted:
        raise CheckpointError(f"{folder}: {checkpoint.CONFIG} tells of another adapter than there is")
    try:
        return attach(model, adapter)
    except ValueError as problem:
        raise CheckpointError(f"{folder}: {problem}") from None


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0
