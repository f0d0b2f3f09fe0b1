"""The learning rate by step: warm-up, then half a cosine."""

from typing import Any

from tinylm import schedule as live
from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick, whole

COSINE = "(1 + math.cos(math.pi * progress)) / 2"


@drawn
def cosine_inputs(draw: Any) -> Case:
    warmup = whole(draw, 0, 4)
    total = warmup + pick(draw, 8, 4, 3, 6, 1, 2)
    steps = whole(draw, warmup, total), whole(draw, 0, warmup), whole(draw, warmup, total), total + whole(draw, 0, 4)
    step = pick(draw, *steps)
    return case(step, max_lr=pick(draw, 1.0, 0.5, 3.0), min_lr=pick(draw, 0.0, 0.25, 0.125), warmup=warmup, total=total)


add(
    Problem(
        "cosine",
        live.cosine,
        topic="optimizer",
        level=1,
        minutes=15,
        inputs=cosine_inputs,
        helpers=(live.constant,),
        compare=computed(),
        notes="In the warm-up step number s, counted from 0, has max_lr · (s + 1) / (warmup + 1). From step `total` on "
        "it is min_lr.",
        faults=(
            Fault("warmup_from_0", "the warm-up began at 0: step s has max_lr · s / warmup",
                  (("max_lr * (step + 1) / (warmup + 1)", "max_lr * step / warmup"),),
                  "A learning rate of 0 wastes the first step."),
            Fault("warmup_early", "the warm-up reached max_lr one step too early",
                  (("(step + 1) / (warmup + 1)", "(step + 1) / warmup"),),
                  "w warm-up steps lie before the first step that has max_lr."),
            Fault("no_warmup", "there were no warm-up, only max_lr until it is over",
                  (("max_lr * (step + 1) / (warmup + 1)", "max_lr"),), "What has step 0 of two warm-up steps?"),
            Fault("min_ignored", "the cosine went down to 0 and not to min_lr",
                  (("min_lr + " + COSINE + " * (max_lr - min_lr)", COSINE + " * max_lr"),),
                  "Which two values should the cosine go between?"),
            Fault("whole_cosine", "it were a whole cosine, down and up again",
                  (("math.cos(math.pi", "math.cos(2 * math.pi"),),
                  "What is the cosine at the end of the way, and where does it have that value?"),
            Fault("unhalved", "the cosine reached from max_lr to far below min_lr: 1 + cos is not halved",
                  ((COSINE, "math.cos(math.pi * progress)"),), "1 + cos goes from 2 to 0."),
            Fault("from_step_0", "the cosine began at step 0 and not after the warm-up",
                  (("(step - warmup) / (total - warmup)", "step / total"),), "Right after the warm-up it is max_lr."),
            Fault("too_slow", "the way down took `total` steps after the warm-up",
                  (("(step - warmup) / (total - warmup)", "(step - warmup) / total"),),
                  "`total` counts all steps, those of the warm-up too."),
            Fault("rises_again", "the cosine went on after step `total`, and so rose again",
                  (("    if step >= total:\n", "    if step >= total and False:\n"),),
                  "Try a step far beyond `total`."),
            Fault("nothing_at_the_end", "the rate were 0 from step `total` on",
                  (("        return min_lr\n", "        return 0.0\n"),), "What is left when the cosine is over?"),
            Fault("straight", "the way down were a straight line", ((COSINE, "(1 - progress)"),),
                  "Half of the way down is right; look a quarter of the way."),
        ),
    ),
)  # fmt: skip
