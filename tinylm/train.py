"""Training and evaluation as generators and functions of records; prints nothing, saves nothing."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import listeners, no_grad, tell
from tinylm.data import Dialogues, windows_in_order
from tinylm.nn import Module
from tinylm.nonfinite import Draws, Finding, first_fault
from tinylm.optim import Optimizer, clip_grad_norm
from tinylm.parallel import Shards, counted, loss_of

__all__ = ["TrainingError", "TrainingStep", "bits_per_byte", "evaluate", "not_finite", "training"]


class TrainingError(ArithmeticError):
    """A loss or a gradient that is NaN or infinite; the parameters are as they were before that step.

    The message names the first op that left the finite numbers. cause: the Finding's, "" where there is none.
    """

    def __init__(self, message: str, cause: str = ""):
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """What one update of the parameters was.

    step        how many updates have been made, this one included
    loss        mean cross-entropy in nats over the step's tokens, before the update
    lr          learning rate of the update
    grad_norm   norm of all gradients together, before clipping
    clipped     whether the gradients were scaled down
    tokens      how many targets the step trained on: those that are not IGNORED
    seconds     how long the step took
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    clipped: bool
    tokens: int
    seconds: float


def training(
    model: Module,
    optimizer: Optimizer,
    batches: Iterable[tuple[Any, Any]],
    *,
    steps: int | None = None,
    start: int = 0,
    schedule: Callable[[int], float] | None = None,
    accumulate: int = 1,
    clip_norm: float | None = 1.0,
    shards: int = 1,
) -> Iterator[TrainingStep]:
    """Update the model once for every `accumulate` batches, yielding a record of each update.

        loss = mean over (b, t) of −ln softmax(logits[b, t])[y[b, t]]        where y[b, t] is not IGNORED (−100)

    batches     pairs (x, y) of ids, (B, T) each; one forward pass trains all B·T positions
    steps       go on to this many updates in all, counted from `start`; None: as long as there are batches
    schedule    learning rate of all groups by step, counted from 0; None: what each group has
    accumulate  gradients of so many batches are averaged before an update, as if they were one big batch: each counts
                by its number of targets; what is left over at the end is not trained on
    clip_norm   largest norm of all gradients together; None: no limit
    shards      parts of each batch that run side by side on threads of their own; for models whose loss is a mean
                over rows that do not see each other and whose forward draws no random numbers. With a Dropout
                that drops, a watcher or a GPU it is one part all the same

    The next batch is drawn only when the next record is asked for. Raises TrainingError for a loss or
    gradient that is not finite, before the update, and then runs the step once more, watched, to name the first op
    that made it so; ValueError for `accumulate` or `shards` below 1.
    """
    if accumulate < 1:
        raise ValueError(f"accumulate must be 1 or more, got {accumulate}")
    if shards < 1:
        raise ValueError(f"shards must be 1 or more, got {shards}")
    return _updates(model, optimizer, iter(batches), steps, start, schedule, accumulate, clip_norm, shards)


def _updates(
    model: Module,
    optimizer: Optimizer,
    batches: Iterator[tuple[Any, Any]],
    steps: int | None,
    start: int,
    schedule: Callable[[int], float] | None,
    accumulate: int,
    clip_norm: float | None,
    shards: int,
) -> Iterator[TrainingStep]:
    step, split, draws = start, Shards(model, shards), Draws(model)
    while steps is None or step < steps:
        began = time.perf_counter()
        group = [batch for _, batch in zip(range(accumulate), batches, strict=False)]
        if len(group) < accumulate:
            return
        if schedule is not None:
            for settings in optimizer.param_groups:
                settings["lr"] = schedule(step)
        model.train()
        optimizer.zero_grad()
        counts = [counted(y) for _, y in group]
        losses, tokens = [], sum(counts)
        draws.note()
        with np.errstate(all="ignore"):  # what is not finite is told below, once
            for (x, y), count in zip(group, counts, strict=True):
                share = count / max(tokens, 1)
                if shards > 1 and split.allowed():
                    losses.append(split.loss_and_gradients(x, y, share) * share)
                else:
                    loss = loss_of(model, x, y)
                    loss.backward(share)
                    losses.append(loss.item() * share)
        mean = sum(losses)
        if not math.isfinite(mean):
            raise not_finite(
                f"step {step + 1}: the loss is {mean}", _again(model, group, draws), optimizer, first=step == start
            )
        parameters = [p for settings in optimizer.param_groups for p in settings["params"]]
        with np.errstate(over="ignore", invalid="ignore"):
            norm = clip_grad_norm(parameters, math.inf if clip_norm is None else clip_norm)
        if not math.isfinite(norm):
            what = f"step {step + 1}: the norm of the gradients is {norm}"
            raise not_finite(what, _again(model, group, draws), optimizer, first=step == start)
        with np.errstate(over="ignore", invalid="ignore"):  # the next loss tells
            optimizer.step()
        step += 1
        record = TrainingStep(
            step=step,
            loss=mean,
            lr=optimizer.param_groups[0]["lr"],
            grad_norm=norm,
            clipped=clip_norm is not None and norm > clip_norm,
            tokens=tokens,
            seconds=time.perf_counter() - began,
        )
        if listeners():
            tell(record)
        yield record


def _again(model: Module, group: list[tuple[Any, Any]], draws: Draws) -> Finding:
    draws.put_back()
    return first_fault(model, group, loss_of)


def not_finite(what: str, finding: Finding, optimizer: Optimizer, *, first: bool) -> TrainingError:
    """The error for what is not finite; first: before any update, so the weights came as they are."""
    lr = optimizer.param_groups[0]["lr"]
    if finding.cause != "op" and first:
        why = "nothing was updated yet: the weights are damaged, or come from a run that was diverging"
    elif finding.cause == "op":
        why = f"the op itself: what it was given is of usual size; if it is sound, the learning rate, {lr:g}"
    else:
        why = f"the learning rate, {lr:g}, is too high: updates have made numbers grow"
    report = finding.report.replace("\n", "\n  ")
    return TrainingError(f"{what}\n  {report}\n  likely cause: {why}", finding.cause)


def evaluate(model: Module, tokens: np.ndarray | Dialogues, batch_size: int, block_size: int) -> float:
    """The mean loss over every token of a sequence but the first, in nats, without dropout and without recording.

    The sequence is cut into windows of block_size that do not overlap, so a token sees at most what stands
    before it in its window. Of dialogues it is the mean over the tokens of the answers, each dialogue being a row.
    Raises ValueError for fewer than two tokens.
    """
    if len(tokens) < 2:
        raise ValueError(f"evaluation needs at least 2 tokens, got {len(tokens)}")
    mode = model.training
    model.eval()
    total, count = 0.0, 0
    try:
        if isinstance(tokens, Dialogues):
            pairs = tokens.in_order(batch_size)
        else:
            pairs = windows_in_order(tokens, batch_size, block_size)
        for x, y in pairs:
            with no_grad():
                loss = loss_of(model, x, y)
            total += loss.item() * counted(y)
            count += counted(y)
    finally:
        model.train(mode)
    return total / count


def bits_per_byte(loss: float, tokens: int, size: int) -> float:
    """What a model needs to write down a text, in bits for each of its bytes: comparable between tokenizers.

        bits per byte = loss · tokens / (ln 2 · size)

    loss: nats per token, a mean   tokens: how many were predicted   size: of the text, in bytes (counted as 1 if 0)
    """
    return loss * tokens / math.log(2) / max(size, 1)
