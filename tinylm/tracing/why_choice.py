"""Why one token was chosen: its probability stage by stage, and where the number drawn fell."""

import math
from fractions import Fraction

import numpy as np

from tinylm.tracing.receipt import Line, Receipt, Sum, exact_sum
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import whole

__all__ = ["choice_receipt"]

FILTERS = (("typical", "typical"), ("top_k", "top-k"), ("top_p", "top-p"), ("min_p", "min-p"))


def choice_receipt(step: TraceStep) -> Receipt:
    """The receipt of a choice step: ln p as a sum of what each stage did, and the draw."""
    token, uniform = step.settings["token"], step.settings["uniform"]
    logits = whole(step.inputs["logits"], "the row of logits")
    penalized, scaled = (whole(step.kept[name], name) for name in ("penalized", "scaled"))
    p = whole(step.outputs["p"], "p")
    title = f"token {step.settings['position']}: {step.settings['text']} (id {token})"
    if uniform is None:
        return Receipt(f"{title}, greedy", (_lead(logits, penalized, token),), _rivals(step, penalized, p))
    lines = [
        ("logit", float(logits[token]), "what the model said"),
        (_stages(step), float(penalized[token]) - float(logits[token]), ""),
        ("temperature", float(scaled[token]) - float(penalized[token]), _temperature(penalized, scaled)),
    ]
    left = scaled
    total = _log_sum(left)
    lines.append(("softmax", -total, f"− ln Σ exp over all {len(left)} ids"))
    for name, word in FILTERS:
        if name in step.kept:
            left = np.where(whole(step.kept[name], name), left, -np.inf)
            now = _log_sum(left)
            kept = int(np.isfinite(left).sum())
            lines.append((word, total - now, f"{kept} ids left share what the others had"))
            total = now
    ends = np.cumsum(p)
    before = Fraction(float(ends[token - 1])) if token else Fraction(0)
    point = Fraction(uniform) * Fraction(float(ends[-1]))
    draw = Sum(
        "the draw",
        (
            Line("ids before it", before, f"probability of ids 0 … {token - 1}" if token else "it is the first"),
            Line("within its own", point - before, f"of {float(p[token]):.6g}"),
        ),
        "u · Σ p",
        point,
    )
    facts = [("u, the number drawn", f"{uniform!r}"), *_rivals(step, scaled, p)]
    return Receipt(
        title, (exact_sum("its log-probability", lines, "ln p", math.log(float(p[token]))), draw), tuple(facts)
    )


def _stages(step: TraceStep) -> str:
    """The stages before the temperature that were asked for; the repetition penalty where none was."""
    return ", ".join(step.settings.get("processed", [])) or "repetition penalty"


def _log_sum(logits: np.ndarray) -> float:
    highest = float(logits.max())
    return highest + math.log(float(np.exp(logits - highest).sum()))


def _temperature(penalized: np.ndarray, scaled: np.ndarray) -> str:
    place = int(np.where(np.isfinite(penalized), np.abs(penalized), -1).argmax())
    return f"÷ {penalized[place] / scaled[place]:.6g}" if scaled[place] else ""


def _lead(logits: np.ndarray, penalized: np.ndarray, token: int) -> Sum:
    """Greedy: the next best logit, and by how much this one is larger."""
    others = np.delete(penalized, token)
    others = others[np.isfinite(others)]  # what is forbidden is −∞
    best = Fraction(float(others.max())) if others.size else Fraction(0)
    own = Fraction(float(penalized[token]))
    lines = (Line("next best", best, "largest among the others"), Line("lead", own - best, "0: the smaller id wins"))
    return Sum("its logit, after the penalty", lines, "logit", own)


def _rivals(step: TraceStep, scaled: np.ndarray, p: np.ndarray) -> tuple[tuple[str, str], ...]:
    """The most likely ids, with what the filters and the softmax were given, and what came out."""
    facts = []
    for token, text in step.settings.get("likely", []):
        chosen = " (chosen)" if token == step.settings["token"] else ""
        drawn = step.settings["uniform"] is not None
        what = f"{scaled[token]:.6g} after the temperature, p {p[token]:.6g}" if drawn else f"logit {scaled[token]:.6g}"
        facts.append((f"id {token} {text}{chosen}", what))
    return tuple(facts)
