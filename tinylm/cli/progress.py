"""What a person sees while a run trains: a progress bar on a terminal, plain lines in a pipe, samples, and Ctrl-C."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tinylm.backend import peak_memory
from tinylm.checkpoint import CheckpointError
from tinylm.cli.errors import of_system
from tinylm.runs import Evaluation, Run, Sample, Saved
from tinylm.settings import TrainingSettings
from tinylm.train import TrainingError, TrainingStep

__all__ = ["follow", "interruptible", "tokenizer_progress"]


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or a polite kill) into a wish to stop, which the given function tells of.

    The second one interrupts at once, as usual.
    """
    wished = False

    def wish(number: int, frame: FrameType | None) -> None:
        nonlocal wished
        if wished:
            raise KeyboardInterrupt
        wished = True
        print("\nstopping after this step; Ctrl-C again stops at once, without saving", file=sys.stderr)

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # not in the main thread: signals stay as they are
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, wish)
    try:
        yield lambda: wished
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


@contextmanager
def tokenizer_progress() -> Iterator[Callable[[Any], None] | None]:
    """A bar of merges on a terminal; in a pipe nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc="tokenizer", unit=" merges", leave=False, file=sys.stderr) as bar:

        def show(record: Any) -> None:
            if hasattr(record, "token_bytes"):
                bar.update()

        yield show


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _Display:
    """Where the records of a run are shown; `line` prints above the bar."""

    def __init__(self, run: Run):
        self.run, self.began, self.first = run, time.perf_counter(), run.step
        self.loss, self.speed, self.val = 0.0, 0.0, ""
        self.bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            total = run.settings.steps
            self.bar = tqdm(total=total, initial=run.step, desc="training", unit=" steps", file=sys.stderr)

    def line(self, text: str) -> None:
        if self.bar is not None:
            self.bar.write(text)
        else:
            print(text, flush=True)

    def step(self, record: TrainingStep) -> None:
        new = record.step == self.first + 1
        speed = record.tokens / max(record.seconds, 1e-9)
        self.loss = record.loss if new else 0.9 * self.loss + 0.1 * record.loss
        self.speed = speed if new else 0.9 * self.speed + 0.1 * speed
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {self.loss:.3f}{self.val}, {self.speed:,.0f} tokens/s", refresh=False)
            self.bar.update()

    def evaluation(self, record: Evaluation) -> None:
        val = "" if record.val_loss is None else f"  validation {record.val_loss:.4f}"
        self.val = val.replace("  validation", ", validation")
        done, total = record.step - self.first, self.run.settings.steps
        text = f"step {record.step:>5}/{total}  loss: train {record.train_loss:.4f}{val}"
        if done:
            left = (time.perf_counter() - self.began) / done * (total - record.step)
            text += f"  {self.speed:,.0f} tokens/s  {_duration(left)} left"
        peak = peak_memory()
        if peak is not None:
            text += f"  peak {peak / 1e6:,.0f} MB"
        self.line(text)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _after_not_finite(run: Run, problem: TrainingError) -> str:
    """What the folder holds, and what to type to go on."""
    folder, s = run.folder, run.settings
    if problem.cause == "weights" and run.step == run.began:
        return (
            f"the weights that {folder} holds are damaged; put back a copy of it, or start from a run that is sound: "
            "tinylm train FILE --init-from RUN --out NEW"
        )
    lr = min(s.lr / 10, TrainingSettings().lr)
    lowest = f" --min-lr {lr / 10:g}" if s.min_lr is not None and s.min_lr > lr else ""
    return (
        f"{folder} holds all up to step {run.saved}; go on from there with a lower learning rate: "
        f"tinylm train --resume {folder} --lr {lr:g}{lowest}"
    )


def follow(run: Run) -> int:
    """Train the run to its end, or until Ctrl-C, and show how it goes; returns the exit status."""
    tokens = len(run.train_tokens) + len(run.val_tokens)
    trained = f", of which {run.trained_count():,} are trained" if run.base else ""
    print(
        f"{run.folder}: {run.model.parameter_count():,} parameters{trained}, {run.tokenizer.vocab_size:,} token ids, "
        f"{tokens:,} tokens of text" + (f", going on after step {run.step}" if run.step else ""),
        flush=True,
    )
    if run.step == run.settings.steps:
        run.save()  # who was killed during the last save may have left weights that are older than the state
        print(f"all {run.step} steps are done; to go on longer: tinylm train --resume {run.folder} --steps N")
        return 0
    display, began = _Display(run), time.perf_counter()
    try:
        with interruptible() as should_stop:
            for record in run.records(should_stop):
                if isinstance(record, TrainingStep):
                    display.step(record)
                elif isinstance(record, Evaluation):
                    display.evaluation(record)
                elif isinstance(record, Sample):
                    display.line(f"--- sample after step {record.step} ---\n{record.text.strip()}\n---")
                elif isinstance(record, Saved) and display.bar is None and record.step == run.settings.steps:
                    display.line(f"saved {run.folder}")
    except TrainingError as problem:
        raise TrainingError(f"{problem}\n{_after_not_finite(run, problem)}", problem.cause) from None
    except BrokenPipeError:  # whoever read our output has had enough
        run.save()
        print(f"nobody reads on: saved step {run.step}; tinylm train --resume {run.folder}", file=sys.stderr)
        raise
    except OSError as problem:
        raise CheckpointError(
            f"{of_system(problem)}; {run.folder} holds all up to step {run.saved}; make room, or put right what is "
            f"wrong there, and go on with: tinylm train --resume {run.folder}"
        ) from None
    finally:
        display.close()
    if run.step < run.settings.steps:
        print(f"stopped after step {run.step}, saved; go on with: tinylm train --resume {run.folder}")
        return 130
    talks = run.conventions.chat_template is not None
    use = (
        f"talk with it: tinylm chat {run.folder}"
        if talks
        else f'let it write: tinylm sample {run.folder} --prompt "..."'
    )
    print(f"done in {_duration(time.perf_counter() - began)}; {use}")
    return 0
