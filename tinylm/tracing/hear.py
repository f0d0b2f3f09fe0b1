"""From events to steps of a trace: updates, clippings, choices, merges, encodings, training steps."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from tinylm.autograd import Forgotten
from tinylm.choose import SamplingStep
from tinylm.optim import Clipped, Updated
from tinylm.tracing.describe import describe
from tinylm.tracing.settings import encoded
from tinylm.tracing.values import Stored
from tokenizer.alphabet import to_printable
from tokenizer.events import Counted, Encoded
from tokenizer.show.characters import label
from tokenizer.train import Merge

if TYPE_CHECKING:
    from tinylm.tracing.record import Recording

__all__ = ["hear"]

LIKELY = 5  # tokens that are named beside the chosen one
LONG = 10_000  # characters and ids of an encoding that are noted, and words of a corpus


def hear(made: "Recording", event: Any) -> None:
    """Add the step of one event; those that are no record of numbers are passed over."""
    match event:
        case Updated():
            _updated(made, event)
        case Clipped():
            _clipped(made, event)
        case Forgotten():
            _forgotten(made, event)
        case SamplingStep():
            _chosen(made, event)
        case Encoded():
            _encoded(made, event)
        case Counted():
            _counted(made, event)
        case Merge():
            _merged(made, event)
        case _ if dataclasses.is_dataclass(event) and not isinstance(event, type):
            _other(made, event)


def _updated(made: "Recording", event: Updated) -> None:
    p = event.parameter.data
    name = made.names.of(p, "parameter")
    settings = {key: encoded(value) for key, value in event.settings.items()}
    parts: list[dict[str, Stored]] = []
    for values in (event.before, event.after):
        parts.append({key: made.store.put(value) for key, value in values.items() if hasattr(value, "dtype")})
        settings |= {key: encoded(value) for key, value in values.items() if not hasattr(value, "dtype")}
    before, after = parts
    before["g"] = made.store.put(event.gradient)
    said = describe(event.equation)
    made.step(
        "update",
        f"{name}: {event.optimizer} moves {p.size:,} numbers",
        scope=name.rpartition(".")[0],
        op=event.optimizer,
        sentence=said.sentence,
        equation=said.equation,
        inputs=before,
        outputs=after,
        leaves={"p": name},
        settings=settings,
    )


def _clipped(made: "Recording", event: Clipped) -> None:
    done = f"all scaled by {event.scale:.6g}" if event.scale < 1 else "left as they are"
    made.step(
        "clip",
        f"{len(event.tensors)} gradients: norm {event.norm:.6g}, at most {event.max_norm:g}: {done}",
        op="clip_grad_norm",
        equation="g ← g · min(1, max_norm / (‖g‖ + 1e-6))",
        settings={
            "norm": event.norm,
            "max_norm": event.max_norm,
            "scale": event.scale,
            "parameters": [made.names.of(p.data, "parameter") for p in event.tensors],
        },
    )


def _forgotten(made: "Recording", event: Forgotten) -> None:
    made.step(
        "zero",
        f"{len(event.tensors)} gradients begin anew",
        op="zero_grad",
        sentence="What gradients there were are forgotten; the next backward begins with none.",
        settings={"parameters": [made.names.of(p.data, "parameter") for p in event.tensors]},
    )


def _chosen(made: "Recording", event: SamplingStep) -> None:
    kept = {
        name: made.store.put(array)
        for name in ("penalized", "scaled", "typical", "top_k", "top_p", "min_p")
        if (array := getattr(event, name)) is not None
    }
    processed = {"processed": [name for name, _ in event.processed]} if event.processed else {}
    order = np.argsort(-event.scaled, kind="stable")[:LIKELY]
    likely = [[int(token), _token(made, int(token))] for token in order]
    how = "the most likely" if event.uniform is None else f"p {event.p[event.token]:.4f}, drawn by {event.uniform:.6f}"
    made.step(
        "choice",
        f"token {event.position}: {_token(made, event.token)} (id {event.token}), {how}",
        op="choose",
        sentence="Choose one token from one row of logits, stage by stage.",
        inputs={"logits": made.store.put(event.logits)},
        kept=kept,
        outputs={"p": made.store.put(event.p)},
        letters=dict.fromkeys(("logits", "penalized", "scaled", "top_k", "top_p", "min_p", "p", *kept), "(V,)"),
        settings={"position": event.position, "uniform": event.uniform, "token": event.token,
                  "text": _token(made, event.token), "likely": likely, **processed},
    )  # fmt: skip


def _token(made: "Recording", token: int) -> str:
    data = made.vocab().get(token) if made.tokenizer is not None else None
    return f"{label(data)!r}" if data is not None else "token"


def _encoded(made: "Recording", event: Encoded) -> None:
    if made.follow:
        made.tokenizer = event.tokenizer
    vocab = made.vocab() if made.tokenizer is event.tokenizer else event.tokenizer.vocab
    shown = event.text if len(event.text) <= 40 else event.text[:39] + "…"
    made.step(
        "encode",
        f"{shown!r}: {len(event.text)} characters → {len(event.ids)} tokens",
        op="encode",
        sentence="A text becomes token ids: split into words, and each word's bytes merged by rank.",
        outputs={"ids": made.store.put(np.array(event.ids, np.int64))},
        letters={"ids": "(T,)"},
        settings={"text": event.text[:LONG], "tokens": [label(vocab[i]) for i in event.ids[:LONG]]},
    )


def _counted(made: "Recording", event: Counted) -> None:
    settings: dict[str, Any] = {"words": len(event.counts), "tie_break": event.tie_break}
    if len(event.counts) <= LONG:
        settings["counts"] = [[to_printable(word), count] for word, count in event.counts.items()]
    total = sum(event.counts.values())
    made.step(
        "count",
        f"{total:,} words, {len(event.counts):,} different; ties broken by {event.tie_break}",
        op="count",
        sentence="The corpus as words that no merge crosses, each with how often it occurs.",
        settings=settings,
    )


def _merged(made: "Recording", event: Merge) -> None:
    made.step(
        "merge",
        f"merge {event.rank}: {label(event.left)} + {label(event.right)} → {label(event.token_bytes)}, "
        f"{event.count:,} times, id {event.token}",
        op="merge",
        sentence="The most frequent pair of neighbouring tokens becomes one token, everywhere.",
        settings={
            "rank": event.rank, "pair": list(event.pair), "token": event.token, "count": event.count,
            "left": to_printable(event.left), "right": to_printable(event.right),
        },
    )  # fmt: skip


def _other(made: "Recording", event: Any) -> None:
    """A record of numbers, as of a training step."""
    fields = {f.name: encoded(getattr(event, f.name)) for f in dataclasses.fields(event)}
    told = ", ".join(f"{name} {value:.6g}" for name, value in fields.items() if isinstance(value, float))
    made.step("train", f"step {fields.get('step', '')}: {told}", op=type(event).__name__, settings=fields)
