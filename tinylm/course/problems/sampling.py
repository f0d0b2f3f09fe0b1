"""The choice of a token from one row of logits: softmax, the draw, and all stages in order."""

from typing import Any

import numpy as np

from tinylm import choose as live
from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.filters import logits_of, p_of
from tinylm.course.problems.inputs import array, drawn, pick, whole

MARGIN = 1e-6  # of a computed sum from where it would decide: no rounding may


@drawn
def probabilities_inputs(draw: Any) -> Case:
    return case(logits_of(draw) + pick(draw, 0.0, 0.0, 1e4, -1e4))


@drawn
def pick_inputs(draw: Any) -> Case:
    p = p_of(draw)
    ends = np.cumsum(p)
    return case(p, pick(draw, whole(draw, 0, 63) / 64, 0.0, 1 - 2.0**-20, *(end for end in ends.tolist() if end < 1)))


@drawn
def choose_inputs(draw: Any) -> Case:
    V = pick(draw, 4, 3, 5, 6, 1)
    logits = array(draw, (V,), among=(1.0, 0.0, 0.25, -0.5, 1.5, -1.25, 2.0))
    seen, uniform = [whole(draw, 0, V - 1) for _ in range(whole(draw, 1, 4))], whole(draw, 0, 63) / 64
    settings: dict[str, Any] = {}
    kind = pick(draw, "any", "greedy", "filters", "filters")
    if pick(draw, False, True, True):
        settings["temperature"] = pick(draw, 0.5, 2.0, 4.0)
    if kind == "greedy":
        settings |= {"temperature": 0, "repetition_penalty": 4.0}
        seen.append(int(logits.argmax()))
    for name, values in (("top_k", (2, 3, 4)), ("top_p", (0.6, 0.45, 0.8)), ("min_p", (0.3, 0.55))):
        if kind == "filters" or (kind == "any" and pick(draw, False, True)):
            settings[name] = pick(draw, *values)
    if kind == "any" and pick(draw, False, True):
        settings["repetition_penalty"] = pick(draw, 2.0, 1.5)
    if not _clear(logits, seen, uniform, settings):  # then a rounding would decide
        return case(np.array([0.0, 1.0]), [0], 0.25)
    return case(logits, seen, uniform, **settings)


def _clear(logits: Any, seen: list[int], uniform: float, settings: dict[str, Any]) -> bool:
    """Whether no sum of probabilities comes near a number that decides."""
    rng: Any = drive_text.Scripted(uniform)
    step = live.choose_token(logits, seen, rng, **settings)
    left = step.scaled if step.top_k is None else np.where(step.top_k, step.scaled, -np.inf)
    every = [np.sort(live.probabilities(each))[::-1] for each in (left, step.scaled, step.penalized)]
    limits = [np.abs(np.cumsum(p) - settings.get("top_p", 2)) for p in every]
    limits += [np.abs(p - settings.get("min_p", 2) * p[0]) for p in every]
    limits.append(np.abs(np.cumsum(step.p) - uniform) if uniform else np.ones(1))
    return bool(min(each.min() for each in limits) > MARGIN)


TOP_P = "keep_top_p(probabilities(left), top_p)"
ORDER = "Each filter sees what the one before it let through, made into probabilities that add up to 1 again."

add(
    Problem(
        "probabilities",
        live.probabilities,
        topic="sampling",
        level=1,
        minutes=5,
        inputs=probabilities_inputs,
        notes="Logits may be as large as 10000.",
        faults=(
            Fault("not_shifted", "the largest logit were not subtracted", (("logits - logits.max()", "logits"),),
                  "Try logits of 10000: what is e to that power?"),
            Fault("mean_subtracted", "the mean were subtracted and not the largest",
                  (("logits.max()", "logits.mean()"),), "Try [0, 10000] and [0, -inf]."),
            Fault("least_subtracted", "the least logit were subtracted and not the largest",
                  (("logits.max()", "logits.min()"),),
                  "Which power of e is too large for a float: that of 10000, or −10000?"),
            Fault("largest_is_1", "it were divided by the largest and not by the sum",
                  (("e / e.sum()", "e / e.max()"),), "Probabilities add up to 1."),
            Fault("base_2", "the powers were those of 2", (("np.exp(", "np.exp2("),), "Softmax has powers of e."),
        ),
    ),
    Problem(
        "pick",
        live.pick,
        topic="sampling",
        level=2,
        minutes=15,
        inputs=pick_inputs,
        imports=("import numpy as np",),
        notes="Id i has the interval from p[0] + … + p[i − 1], included, up "
        "to p[0] + … + p[i], not included.",
        faults=(
            Fault("ends_included", "an interval held its end and not its beginning",
                  (('side="right"', 'side="left"'),), "Try [0.5, 0.5] and 0.5, and [0, 1] and 0."),
            Fault("never_last", "the last id never came",
                  (("    return token if", "    token = min(token, max(len(p) - 2, 0))\n    return token if"),),
                  "Try a number near 1."),
            Fault("one_late", "the id after the right one came",
                  (("    return token if", "    token = min(token + 1, len(p) - 1)\n    return token if"),),
                  "Count from 0."),
            Fault("from_above", "the intervals were laid from the last id to the first",
                  (("uniform * ends[-1]", "(1 - uniform) * ends[-1]"),),
                  "A small number falls into the first interval."),
            Fault("most_likely", "the most likely id came whatever the number",
                  (("    return token if", "    token = int(p.argmax())\n    return token if"),),
                  "The number decides."),
            Fault("by_likelihood", "the intervals were laid in order of likelihood and not of id",
                  (("    ends = np.cumsum(p)\n",
                    '    order = np.argsort(-p, kind="stable")\n    ends = np.cumsum(p[order])\n'),
                   ("    return token if token < len(p) else",
                    "    return int(order[token]) if token < len(p) else")),
                  "In order of id: nothing is sorted here."),
            Fault("nearest", "the id came whose probability is nearest to the number",
                  (("    return token if", "    token = int(np.abs(p - uniform).argmin())\n    return token if"),),
                  "Lay the probabilities end to end: where does the number fall?"),
        ),
    ),
    Problem(
        "choose_token",
        live.choose_token,
        topic="sampling",
        level=3,
        minutes=40,
        inputs=choose_inputs,
        needs=("probabilities", "penalize_repetition", "keep_top_k", "keep_top_p", "keep_min_p", "pick"),
        drive=drive_text.chosen,
        places=("tinylm.choose:choose_token via tinylm.course.places_text:choices",),
        imports=(
            "import numpy as np",
            "from tinylm.choose import keep_min_p, keep_top_k, keep_top_p, penalize_repetition, pick, probabilities",
        ),
        notes="Return the pair (token, p), or a SamplingStep. p is what the token was drawn from; at temperature 0, "
        "all for one id. You may call the parts from tinylm.choose.",
        faults=(
            Fault("times_temperature", "logits were multiplied by the temperature",
                  (("penalized / temperature", "penalized * temperature"),), "A hot choice is a level one."),
            Fault("temperature_last", "the filters came before the temperature",
                  (("penalized / temperature", "penalized"),
                   ("drawn_from = probabilities(left)", "drawn_from = probabilities(left / temperature)")),
                  "Which stage is it that top-p follows?"),
            Fault("temperature_forgotten", "every temperature but 0 were 1",
                  (("penalized / temperature", "penalized"),), "Try 0.5 and 2."),
            Fault("filters_apart", "top-p saw all ids and not only what top-k let through",
                  ((TOP_P, "keep_top_p(probabilities(scaled), top_p)"),), ORDER),
            Fault("dropped_to_0", "the logits of dropped ids became 0",
                  (("np.where(k, left, -np.inf)", "np.where(k, left, 0.0)"),
                   ("np.where(p, left, -np.inf)", "np.where(p, left, 0.0)"),
                   ("np.where(low, left, -np.inf)", "np.where(low, left, 0.0)")), "What is e to the power of 0?"),
            Fault("greedy_unpenalised", "the greedy choice did not see the penalty",
                  (("penalized.argmax()", "logits.argmax()"),), "Which logits does temperature 0 look at?"),
            Fault("greedy_draws", "a number were drawn at temperature 0 too",
                  (("        token = int(penalized", "        rng.random()\n        token = int(penalized"),),
                  "Whoever counts on a seed wants no number drawn that is not used."),
            Fault("penalty_of_last", "only the last id were penalised",
                  (("penalize_repetition(logits, seen,", "penalize_repetition(logits, seen[-1:],"),),
                  "All that occurred count."),
            Fault("always_greedy", "the most likely id came whatever number is drawn",
                  (("token = pick(drawn_from, uniform)", "token = int(drawn_from.argmax())"),),
                  "What is the number for?"),
        ),
    ),
)  # fmt: skip
