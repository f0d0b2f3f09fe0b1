"""Laws of training: batches gathered, runs resumed, optimizers that stand still, gradients clipped."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import close, equal, law, require
from tinylm.testing.mistakes import InputError

__all__ = [
    "accumulation_equals_one_batch",
    "clipping_bounds_the_norm",
    "loss_ignores_ignored_targets",
    "loss_of_equal_logits",
    "resume_equals_going_on",
    "training_repeats_itself",
    "zero_gradient_moves_nothing",
]

Array = Any
TRAINER = ("new", "gradients", "step", "parameters", "batch", "join", "saved", "restored")


def _count(low: int, high: int) -> Any:
    from tinylm.testing.drawing import st

    return st.integers(low, high)


@law("training", needs=TRAINER, seed=lambda _: _count(0, 9), parts=lambda _: _count(1, 4))
def accumulation_equals_one_batch(trainer: Any, seed: int, parts: int) -> None:
    """Gradients gathered over several batches of one size are those of one batch made of all of them."""
    parts = given.whole("parts", parts, 1)
    batches = _batches(trainer, seed, parts)
    state = trainer.new()
    once = [np.array(g) for g in trainer.gradients(state, [trainer.join(batches)])]
    gathered = [np.array(g) for g in trainer.gradients(state, batches)]
    for place, (expected, got) in enumerate(zip(once, gathered, strict=True)):
        close(expected, got, f"the gradient of parameter {place} gathered over {parts} batches", slack=10)


@law(
    "training", needs=TRAINER, seed=lambda _: _count(0, 9), before=lambda _: _count(0, 3), after=lambda _: _count(1, 3)
)
def resume_equals_going_on(trainer: Any, seed: int, before: int, after: int) -> None:
    """A run that is saved and resumed has, to the bit, the parameters of one that went straight on."""
    before, after = given.whole("before", before, 0), given.whole("after", after, 0)
    batches = _batches(trainer, seed, before + after)
    straight = _copies(trainer, _steps(trainer, trainer.new(), batches))
    stopped = trainer.saved(_steps(trainer, trainer.new(), batches[:before]))
    resumed = _steps(trainer, trainer.restored(stopped), batches[before:])
    for place, (expected, got) in enumerate(zip(straight, _copies(trainer, resumed), strict=True)):
        says = f"parameter {place} after {before} steps, a stop and {after} more"
        equal(expected, got, says)


@law("training", needs=TRAINER, seed=lambda _: _count(0, 9), steps=lambda _: _few())
def training_repeats_itself(trainer: Any, seed: int, steps: int) -> None:
    """Two runs from the same start on the same batches have the same parameters, to the bit."""
    batches = _batches(trainer, seed, given.whole("steps", steps, 0))
    one, two = (_copies(trainer, _steps(trainer, trainer.new(), batches)) for _ in range(2))
    for place, (expected, got) in enumerate(zip(one, two, strict=True)):
        equal(expected, got, f"parameter {place} after {steps} steps, the second time")


def _batches(trainer: Any, seed: Any, count: int) -> list[Any]:
    first = given.whole("seed", seed, 0)
    return [trainer.batch(first + n) for n in range(count)]


def _steps(trainer: Any, state: Any, batches: Any) -> Any:
    for batch in batches:
        state = trainer.step(state, batch)
    return state


def _copies(trainer: Any, state: Any) -> list[Array]:
    return [np.array(p) for p in trainer.parameters(state)]


@law("sgd", parameters=lambda _: _several())
def zero_gradient_moves_nothing(step: Any, parameters: Any) -> None:
    """Where all gradients are zero, plain gradient descent leaves every parameter as it is, to the bit.

    step   (parameters, gradients) → the new parameters, lists of arrays; without weight decay
    """
    parameters = given.several("parameters", parameters)
    after = step([p.copy() for p in parameters], [np.zeros_like(p) for p in parameters])
    for place, (expected, got) in enumerate(zip(parameters, after, strict=True)):
        equal(expected, np.asarray(got), f"parameter {place}")


@law("clipping", gradients=lambda _: _several(), max_norm=lambda _: drawn.numbers(4.0, 0.5).map(abs))
def clipping_bounds_the_norm(clip: Any, gradients: Any, max_norm: float) -> None:
    """Clipping gives the norm as it was, leaves gradients within it as they are, and scales others to it, all alike.

    clip   (gradients, max_norm) → (clipped gradients, norm before)
    """
    gradients, max_norm = given.several("gradients", gradients), given.number("max_norm", max_norm)
    if max_norm < 0:
        raise InputError(f"max_norm must not be negative, got {max_norm:g}")
    norm = float(np.sqrt(sum(float((g * g).sum()) for g in gradients)))
    clipped, told = clip([g.copy() for g in gradients], max_norm)
    close(np.array(norm), np.array(float(told)), "the norm that it tells", slack=1e4)
    factor = 1.0 if norm <= max_norm else max_norm / norm
    for place, (before, after) in enumerate(zip(gradients, clipped, strict=True)):
        close(factor * before, np.asarray(after), f"gradient {place}", room=1e-5)  # PyTorch's 1e-6 beside the norm


@law("loss", logits=lambda _: drawn.logits(5, lead=(4,), never=False), targets=lambda _: drawn.targets(5, (4,)))
def loss_ignores_ignored_targets(loss: Any, logits: Array, targets: Array) -> None:
    """Cross-entropy is the mean over the targets that are not ignored: leave those rows out, and it is the same.

    loss   (logits (N, V), targets (N,)) → a number; -100 is ignored
    """
    logits, targets = given.floats("logits", logits, 2), given.integers("targets", targets, 1)
    if len(logits) != len(targets):
        raise InputError(f"logits must have a row for each target, there are {len(logits)} for {len(targets)}")
    kept = targets != -100
    all_, part = float(loss(logits.copy(), targets.copy())), float(loss(logits[kept], targets[kept]))
    require(np.isfinite(all_), f"the loss is {all_}")
    close(np.array(part), np.array(all_), "the loss with ignored targets", slack=1e3)


@law("loss", targets=lambda _: drawn.token_ids(5, (4,)), level=lambda _: drawn.numbers())
def loss_of_equal_logits(loss: Any, targets: Array, level: float) -> None:
    """Where all logits of V ids are equal, cross-entropy is ln V."""
    targets = given.integers("targets", targets, 1)
    got = float(loss(np.full((len(targets), 5), given.number("level", level)), targets.copy()))
    close(np.array(np.log(5)), np.array(got), "the loss", slack=1e4)


def _few() -> Any:
    return _count(1, 3)


def _several() -> Any:
    from tinylm.testing.drawing import st

    return st.lists(drawn.arrays(drawn.shapes(0, 2)), min_size=1, max_size=3)
