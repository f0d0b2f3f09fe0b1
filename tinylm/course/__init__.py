"""Predictions and exercises for notebooks and courses: what was guessed is compared, what was written is tried.

    from tinylm.course import check, exercises, reveal

    reveal(guess, actual, "tokens")     # the prediction beside what came out
    check("count_pairs", count_pairs)   # right, or the smallest call that goes wrong

Graded exercises are cut from the live source, and stand in problems/<topic>.py (problem.py says what one is):

    print(stub(problem_named("layer_norm")))    # signature and docstring, to be filled in
    check("layer_norm", layer_norm)             # ..., and what the answer behaves like
    with substitute(layer_norm=layer_norm):     # the library runs on the answer
        model(ids)

The exercises of the notebooks stand in exercises_<topic>.py; the import below is what makes them known:

    register(
        Exercise(
            "softmax",                                                # the name of the function to be written
            "Return exp(x) along the last axis, divided by its sum.",
            reference=lambda x: softmax(np, x)[0],                    # the live library, never a second copy
            cases=[case(np.array([0.0, 1.0])), case(np.array([1e4, 0.0]))],
        )
    )
"""

from tinylm.course import (
    exercises_attention,
    exercises_autograd,
    exercises_course,
    exercises_devices,
    exercises_formats,
    exercises_laws,
    exercises_layers,
    exercises_learning,
    exercises_measures,
    exercises_model,
    exercises_positions,
    exercises_sampling,
    exercises_tokens,
    exercises_training,
)
from tinylm.course.check import Failure, Result, check
from tinylm.course.compare import nearly, same
from tinylm.course.exercise import Case, Exercise, UnknownExerciseError, case, exercise_named, exercises, register
from tinylm.course.judge import judge
from tinylm.course.problem import Problem, problem_named
from tinylm.course.reveal import Reveal, reveal
from tinylm.course.spelling import Source
from tinylm.course.stub import stub
from tinylm.course.substitute import substitute

__all__ = [
    "Case",
    "Exercise",
    "Failure",
    "Problem",
    "Result",
    "Reveal",
    "Source",
    "UnknownExerciseError",
    "case",
    "check",
    "exercise_named",
    "exercises",
    "exercises_attention",
    "exercises_autograd",
    "exercises_course",
    "exercises_devices",
    "exercises_formats",
    "exercises_laws",
    "exercises_layers",
    "exercises_learning",
    "exercises_measures",
    "exercises_model",
    "exercises_positions",
    "exercises_sampling",
    "exercises_tokens",
    "exercises_training",
    "judge",
    "nearly",
    "problem_named",
    "register",
    "reveal",
    "same",
    "stub",
    "substitute",
]
