"""What a law is: a sentence, a function that raises where it does not hold, and how its inputs are drawn."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinylm.testing.mistakes import InputError, NotInstalledError

__all__ = [
    "Law",
    "LawBroken",
    "LawDoesNotApply",
    "check_law",
    "close",
    "equal",
    "law",
    "law_named",
    "laws_of",
    "must_hold",
    "require",
]

Draw = Callable[[Any], Any]
TOLERANCE = {"float16": 1e-2, "float32": 2e-5, "float64": 1e-9}  # hundreds of roundings, relative to the greatest value
NOTHING = object()


class LawBroken(AssertionError):
    """A law that does not hold.

    law, sentence   its name, and what it says
    says            what went wrong, in words
    inputs          for which inputs, by name
    expected, got   two values, where there are two
    """

    def __init__(self, says: str, expected: Any = NOTHING, got: Any = NOTHING) -> None:
        self.says, self.expected, self.got = says, expected, got
        self.law = self.sentence = ""
        self.inputs: dict[str, Any] = {}
        super().__init__(says)

    def __str__(self) -> str:
        rows = [f"{self.law} does not hold: {self.sentence}"] if self.law else []
        return "\n".join([*rows, *self.rows(), f"  {self.says}"])

    def rows(self, inputs: bool = True) -> list[str]:
        """Inputs, expected and got, as lines."""
        from tinylm.course.spelling import show, source  # a report is made rarely, and by what courses use

        given = ", ".join(f"{name}={source(value)}" for name, value in self.inputs.items())
        rows = [f"  inputs    {given}"] if inputs and given else []
        pairs = (("expected", self.expected), ("got", self.got))
        return rows + [f"  {label:<9} {show(value)}" for label, value in pairs if value is not NOTHING]


class LawDoesNotApply(TypeError):
    """An adapter lacks what a law asks about, or is no function where the law is about one."""


NOT_THE_CODES = (LawDoesNotApply, InputError, NotInstalledError, KeyboardInterrupt, SystemExit, GeneratorExit)
"""What is no answer of the code that is judged: mistakes of whoever asks, and somebody who wants to stop."""


@dataclass(frozen=True)
class Law:
    """A law about code of some kind; calling it with an adapter and inputs is silent, or raises LawBroken.

    name, topic   what it is called, and what it is about: "softmax", "tokenizer", ...
    sentence      what it says
    function      (adapter, **inputs) → None; raises LawBroken
    draws         name of an input → (adapter → Hypothesis strategy)
    needs         attributes that the adapter must have; none: the adapter is a function

    An adapter that raises for these inputs breaks the law too; its error is the cause of the LawBroken, also where it
    is no Exception, as a panic of Rust. Raises InputError, a ValueError, for inputs that the law does not ask about.
    """

    name: str
    topic: str
    sentence: str
    function: Callable[..., None]
    draws: Mapping[str, Draw] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    def __call__(self, adapter: Any, **inputs: Any) -> None:
        self.applies(adapter)
        try:
            with np.errstate(all="ignore"):  # a law judges results
                self.function(adapter, **inputs)
        except LawBroken as error:
            raise self._of(error, inputs) from error.__cause__
        except NOT_THE_CODES:
            raise
        except BaseException as error:  # pyo3's PanicException is no Exception
            if _is_of_the_tests(error) or _is_call_of(self.function, error):
                raise
            raise self._of(LawBroken(f"it raised {_text(error)}"), inputs) from error

    def _of(self, error: LawBroken, inputs: dict[str, Any]) -> LawBroken:
        error.law, error.sentence, error.inputs = self.name, self.sentence, inputs
        return error

    def applies(self, adapter: Any) -> None:
        """Raise LawDoesNotApply naming what the adapter lacks."""
        lacking = [name for name in self.needs if getattr(adapter, name, None) is None]
        if lacking:
            raise LawDoesNotApply(f"{self.name} needs .{' and .'.join(lacking)} of {_name(adapter)}, which has none")
        if not self.needs and not callable(adapter):
            raise LawDoesNotApply(f"{self.name} is about a function, and {_name(adapter)} cannot be called")

    def inputs(self, adapter: Any) -> dict[str, Any]:
        """Name → Hypothesis strategy: `@given(**law.inputs(adapter))` draws what the law asks about."""
        return {name: draw(adapter) for name, draw in self.draws.items()}


LAWS: dict[str, Law] = {}


def law(topic: str, *, needs: tuple[str, ...] = (), **draws: Draw) -> Callable[[Callable[..., None]], Law]:
    """Make a function (adapter, **inputs) a law: its docstring's first line is the sentence, `draws` are its inputs."""

    def decorate(function: Callable[..., None]) -> Law:
        sentence = (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        made = Law(function.__name__, topic, sentence, function, draws, needs)
        made.__dict__["__doc__"] = function.__doc__
        LAWS[made.name] = made
        return made

    return decorate


def laws_of(topic: str | None = None) -> tuple[Law, ...]:
    """The laws of a topic, or all; raises ValueError naming the topics."""
    import tinylm.testing.laws  # noqa: F401  (the import makes them known)

    found = tuple(each for each in LAWS.values() if topic in (None, each.topic))
    if not found:
        raise ValueError(
            f"no laws of {topic!r}; there are laws of {', '.join(dict.fromkeys(x.topic for x in laws_of()))}"
        )
    return found


def law_named(name: str) -> Law:
    """The law of this name; raises ValueError that says which laws there are, and which may have been meant."""
    import tinylm.testing.laws  # noqa: F401  (the import makes them known)

    if name in LAWS:
        return LAWS[name]
    topics = list(dict.fromkeys(each.topic for each in LAWS.values()))
    spaced = name.replace("_", " ")
    if spaced in topics:
        meant = f"{spaced!r} is a topic, of the laws {', '.join(each.name for each in laws_of(spaced))}"
    else:
        near = difflib.get_close_matches(name, LAWS, 3, 0.6)
        meant = f"did you mean {' or '.join(near)}?" if near else f"there are laws of {', '.join(topics)}"
    raise ValueError(f"there is no law {name!r}; {meant}; there are the laws {', '.join(LAWS)}")


def check_law(law: Law, adapter: Any, *, tries: int = 100, **inputs: Any) -> Any:
    """Ask a law about inputs that Hypothesis draws, and shrink the first for which it does not hold.

    inputs   strategies or plain values, in place of what the law draws

    Returns a tinylm.course.counterexample.Tried: `.held`, `.smallest` (the inputs by name), `.reason`. The same each
    time. Raises LawDoesNotApply; InputError for plain values that are not what the law asks about; LawBroken where the
    same input does and does not break the law; and ImportError naming the extra where Hypothesis is not installed.
    """
    from tinylm.course.counterexample import counterexample
    from tinylm.testing.drawing import Flaky, st

    law.applies(adapter)
    given = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in inputs.items()}

    def asked(**drawn: Any) -> None:
        try:
            law(adapter, **drawn)
        except LawBroken as error:
            raise AssertionError("\n".join([error.says, *error.rows(inputs=False)])) from error

    asked.__name__ = law.name
    try:
        return counterexample(asked, tries=tries, **{**law.inputs(adapter), **given})
    except Flaky as error:
        raise LawBroken(f"{law.name} holds at one time and not at another: the adapter is not deterministic") from error


def must_hold(law: Law, adapter: Any, *, tries: int = 100, **inputs: Any) -> None:
    """As check_law, but raises LawBroken for the smallest counterexample: for use in tests."""
    tried = check_law(law, adapter, tries=tries, **inputs)
    if not tried.held:
        law(adapter, **tried.smallest)
        raise LawBroken(f"{law.name} holds at one time and not at another: the adapter is not deterministic")


def require(condition: Any, says: str, expected: Any = NOTHING, got: Any = NOTHING) -> None:
    """Raise LawBroken with these words unless the condition holds."""
    if not condition:
        raise LawBroken(says, expected, got)


def equal(expected: Any, got: Any, says: str) -> None:
    """Raise LawBroken unless two arrays, or other values, are the same to the bit; NaN equals nothing."""
    if isinstance(expected, np.ndarray) or isinstance(got, np.ndarray):
        expected, got = np.asarray(expected), np.asarray(got)
        require(
            expected.shape == got.shape, f"{says}: its shape is {got.shape}, expected {expected.shape}", expected, got
        )
        require(np.array_equal(expected, got), _where(says, expected, got, expected != got), expected, got)
    else:
        require(expected == got, says, expected, got)


def close(expected: Any, got: Any, says: str, slack: float = 1.0, room: Any = 0.0) -> None:
    """Raise LawBroken unless two arrays are equal up to rounding of the coarser of their types.

    slack   how many times the usual tolerance is allowed.   room   an absolute difference that is allowed besides
    """
    expected, got = np.asarray(expected), np.asarray(got)
    _same_shape(expected, got, says)
    kinds = [str(each.dtype) for each in (expected, got) if each.dtype.kind == "f"]
    relative = slack * max((TOLERANCE.get(kind, 1e-9) for kind in kinds), default=0.0)
    finite = np.abs(expected[np.isfinite(expected)])
    with np.errstate(invalid="ignore"):
        apart = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    apart = np.where(expected == got, 0.0, apart)  # ∞ − ∞
    wrong = ~(apart <= relative * max(1.0, float(finite.max(initial=0.0))) + room)
    if (np.isnan(expected) & np.isnan(got) & wrong).any():
        says = f"NaN, which equals nothing: {says}"
    require(not wrong.any(), _where(says, expected, got, wrong), expected, got)


def _same_shape(expected: Any, got: Any, says: str) -> None:
    agree = expected.shape == got.shape
    require(agree, f"{says}: its shape is {got.shape}, expected {expected.shape}", expected, got)


def _where(says: str, expected: Any, got: Any, wrong: Any) -> str:
    if not np.any(wrong):
        return says
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f" at [{', '.join(map(str, index))}]" if index else ""
    return f"{says}{at}: {got[index]}, expected {expected[index]}"


def _is_of_the_tests(error: BaseException) -> bool:
    """Whether it is Hypothesis's or pytest's own, as pytest.skip() raises it."""
    return any(kind.__module__.split(".")[0] in ("hypothesis", "_pytest") for kind in type(error).__mro__)


def _is_call_of(function: Callable[..., None], error: BaseException) -> bool:
    """Whether the law's function itself was called with the wrong names: the innermost frame is not inside it."""
    trace = error.__traceback__
    return isinstance(error, TypeError) and trace is not None and trace.tb_next is None


def _text(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _name(adapter: Any) -> str:
    return str(getattr(adapter, "name", None) or getattr(adapter, "__name__", None) or type(adapter).__name__)
