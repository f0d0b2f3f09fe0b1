"""What `tinylm bench` measures in about a minute: this machine, this engine, and PyTorch where it is installed."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tinylm.bench.drive import OURS, TORCH, Absent, Contender, Times, difference, in_turns, started, written_weights
from tinylm.bench.shapes import SHAPES, Shape

__all__ = ["PLAN", "Figure", "Plan", "quick"]

TOLERANCE = 1e-3  # of losses, relative: float32 runs of the same steps differ by about 1e-6
SCALE = 8.0  # of the matrices of a model that decodes: see ours.weights
Contenders = dict[str, Contender]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    work     what was measured
    ours, peer    in `unit`; peer is None where it was not measured
    less     whether less is better
    ratio    ours over the peer's
    """

    work: str
    unit: str
    ours: float
    peer: float | None = None
    less: bool = False

    @property
    def ratio(self) -> float | None:
        return None if self.peer is None else self.ours / max(self.peer, 1e-12)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: square matrices of `size`, a chain of `ops`, models to train and one that decodes."""

    size: int
    ops: int
    train: tuple[Shape, ...]
    decode: Shape
    prompt: int
    new: int


PLAN = Plan(1024, 1000, (SHAPES["a"], SHAPES["b"]), SHAPES["b"], prompt=32, new=200)


def quick(threads: int = 1, *, peer: bool = True, seconds: float = 6.0, plan: Plan | None = None) -> Iterator[Figure]:
    """Measure, yielding a figure at a time.

    threads   how many each side may use; with one, times are of CPU, with more of wall time
    peer      whether to measure PyTorch too
    seconds   roughly how long each of the measurements lasts, the start of processes not counted

    Raises Absent with the reason where PyTorch is asked for and cannot be measured, and where the two did not
    do the same work: losses that differ by more than 1e-3, or other tokens.
    """
    return _figures(plan or PLAN, threads, peer, seconds)


def _start(stack: ExitStack, threads: int, peer: bool, **settings: Any) -> Contenders:
    files = {"ours": OURS, "peer": TORCH} if peer else {"ours": OURS}
    found, absent = started(stack, {name: (file, {}) for name, file in files.items()}, threads, **settings)
    for reason in absent.values():
        raise Absent(reason)
    return found


def _figures(plan: Plan, threads: int, peer: bool, seconds: float) -> Iterator[Figure]:
    pause = 0.0 if threads == 1 else 0.1

    def turns(contenders: Contenders, call: str, count: int) -> dict[str, Times]:
        in_turns(contenders, call, 1, min(count, 2))  # warm-up
        return in_turns(contenders, call, 1000, count, pause=pause, within=seconds)

    def figure(work: str, unit: str, times: dict[str, Times], amount: float, less: bool = False) -> Figure:
        rates = {name: amount / t.seconds(threads) for name, t in times.items()}
        rates = {name: 1 / rate for name, rate in rates.items()} if less else rates
        return Figure(work, unit, rates["ours"], rates.get("peer"), less)

    with ExitStack() as stack:
        machine = _start(stack, threads, peer, work="machine", size=plan.size, ops=plan.ops, floats=0)
        times = in_turns(machine, "matmul", 5, 10, pause=pause)
        product = figure(f"matrix product, {plan.size} x {plan.size}", "GF/s", times, 2e-9 * plan.size**3)
        yield product
        top = max(product.ours, product.peer or 0.0)
        times = in_turns(machine, "overhead", 5, 10, pause=pause)
        yield figure("Python, an op forward and backward", "µs", times, plan.ops / 1e6, less=True)

    for shape in plan.train:
        with ExitStack() as stack:
            weights = str(stack.enter_context(written_weights(shape)))
            trained = _start(stack, threads, peer, work="train", weights=weights, shape=shape.to_dict())
            first = in_turns(trained, "train", 1, 3)
            if peer and (apart := difference(first["ours"].values, first["peer"].values)) > TOLERANCE:
                raise Absent(f"training {shape}: losses differ by {apart:.1e}, so the times mean nothing")
            times = turns(trained, "train", 2)
            yield figure(f"training, {shape}", "tokens/s", times, shape.tokens)
            yield _scaled(figure("  share of the speed of matrix products", "%", times, 1e-7 * shape.flops), 1 / top)
            peaks = {name: t.peak for name, t in times.items()}
            yield Figure("  peak memory", "MB", peaks["ours"], peaks.get("peer"), less=True)

    with ExitStack() as stack:
        weights = str(stack.enter_context(written_weights(plan.decode, SCALE)))
        lengths = {"prompt": plan.prompt, "new": plan.new, "prefill": plan.prompt}
        settings = {"work": "decode", "weights": weights, "shape": plan.decode.to_dict(), **lengths}
        decoding = _start(stack, threads, peer, **settings)
        times = turns(decoding, "decode", plan.new - 1)
        if peer and times["ours"].values[:32] != times["peer"].values[:32]:
            raise Absent(f"decoding {plan.decode}: the greedy tokens differ, so the times mean nothing")
        width = f"{plan.decode.n_layer} layers, {plan.decode.n_embd} wide"
        yield figure(f"decoding, {width}, with a cache", "tokens/s", times, 1)


def _scaled(figure: Figure, factor: float) -> Figure:
    peer = None if figure.peer is None else figure.peer * factor
    return Figure(figure.work, figure.unit, figure.ours * factor, peer, figure.less)
