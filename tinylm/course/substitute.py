"""A student's answers in place of the library's own: the rest of the library runs on them, until they are taken out.

What is replaced for a problem follows from its `live`, so most problems need no `places`:

- an op, or its backward (`layer_norm`, `layer_norm_backward`): becomes part of the op's reference form, and the faster
  kernels of that op, and of every op whose reference form calls it, are set aside, so that the student's code runs
  also by default. A forward that returns y alone, or keeps less than backward wants, gets the rest from the library's;
- a function that ops call (`causal_mask`): the same kernels are set aside, and it is replaced as any function;
- any other function or class (`encode_word`, `cosine`, `Block`): wherever a module of tinylm or tokenizer (but those of
  the course) has it as a global, under whatever name, so `from tokenizer.encode import encode_word` is covered, or as
  an entry of a dict that is a global, as the tie rules are;
- a method (`AdamW.update`, `MLP.forward`): in its class; the answer's first argument is then self;
- of the tokenizer, anything: the readable form runs, and words are not taken from or put into caches, as long as the
  answer is in; of AdamW: its update runs one parameter at a time.

`Problem.places` says what else there is to replace, one text each:

    "module:attribute"                          the answer is put there; the attribute may have dots: "Class.method"
    "module:attribute via module:function"      what function(answer, what was there) returns is put there

The second is for an answer of another form than the library's, and for fast twins that must stand aside: `never`
(in places.py) is a function to put where one is asked whether something fast is to run, `nothing` an empty dict.
Not covered, and to be named in places: objects that were made before and hold the old function or class (a default
argument, a partial, a module that a model already owns), and classes that derive from a replaced one.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType, ModuleType, TracebackType
from typing import Any, Self

from tinylm.course.places import as_method, attribute, callers, kernel, library_modules, op_of, opened, parts
from tinylm.course.problem import Problem, plain, problem_named, problems
from tinylm.ops import Op

__all__ = ["substitute"]

TWINS = {  # the beginning of a module's name → what must stand aside for anything of it, as in Problem.places
    "tokenizer": (
        "tokenizer.forms:_form via tinylm.course.places:readable",
        "tokenizer.coder:Coder._by_words via tinylm.course.places:uncached",
    ),
    "tinylm.optim.adamw": ("tinylm.optim.adamw:_plain via tinylm.course.places:never",),
}

_active: "list[substitute]" = []


class substitute:  # noqa: N801  (read as a verb: with substitute(...))
    """Put answers into the live library: `with substitute(layer_norm=mine): ...`

    answers   problem's name → answer, as keywords or in a dict; or a module, or the namespace of a file: then every
              name in it that a problem asks for, but for those that are not written yet

    They are in from here on, and out after the block, also where it raises, or after `undo()`. Substitutions nest, and
    one that is undone early leaves the others in. All threads see them; processes that were started before do not.

    Raises UnknownExerciseError for a name that no problem has, TypeError for an answer that cannot be called or has
    another form than the problem's, ValueError where there is nothing to put in.

    >>> import numpy as np
    >>> from tinylm import functional as F
    >>> x, gain = np.array([-2.0, 2.0]), np.ones(2)
    >>> with substitute(layer_norm=lambda xp, x, gain, bias=None, *, eps=1e-5: gain * x):
    ...     F.layer_norm(x, gain).numpy().tolist()
    [-2.0, 2.0]
    >>> F.layer_norm(x, gain, eps=0.0).numpy().tolist()
    [-1.0, 1.0]
    """

    def __init__(self, answers: Mapping[str, Any] | ModuleType | None = None, /, **named: Any) -> None:
        self._answers = [*_chosen(answers), *_chosen(named)]
        if not self._answers:
            raise ValueError("substitute: there is no answer to put in; type: substitute(layer_norm=mine)")
        for problem, answer in self._answers:
            if not callable(answer):
                raise TypeError(
                    f"substitute: {problem.name} must be a function or a class, got {type(answer).__name__}; "
                    f"type: substitute({problem.name}=...)"
                )
        self._undo: list[Callable[[], None]] = []
        self._in: list[tuple[Any, Any]] = []  # the library's own, and what stands in its place
        self._apply()
        _active.append(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The problems whose answers are put in."""
        return tuple(problem.name for problem, _ in self._answers)

    def __repr__(self) -> str:
        return f"substitute({', '.join(self.names)}){'' if self in _active else ', undone'}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def undo(self) -> None:
        """Take the answers out again; a second time does nothing."""
        if self not in _active:
            return
        later = _active[_active.index(self) + 1 :]
        for each in reversed([self, *later]):
            each._restore()
        _active.remove(self)
        for each in later:
            each._apply()

    def _apply(self) -> None:
        parts()  # before anything is replaced
        try:
            for problem, answer in self._answers:
                self._substitute(problem, answer)
        except BaseException:
            self._restore()
            raise

    def _restore(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._in.clear()

    def _substitute(self, problem: Problem, answer: Any) -> None:
        live = problem.live
        home = plain(live).__module__
        for start, places in TWINS.items():
            if home == start or home.startswith(f"{start}."):
                for place in places:
                    self._place(place, answer)
        for op in callers(live):
            self._put(op, "kernels", {})
        own = op_of(live)
        if own is not None:
            self._put(own, "kernels", {})
            self._put(own, "reference", kernel(problem, own, answer))
        stand_in, rest = answer, []
        for place in problem.places:
            owner, name, make = opened(place)
            if make is not None and any(vars(owner).get(name) is each for each in _standing(live)):
                stand_in = make(answer, live)  # a form that fits wherever the library's own stands
            else:
                rest.append(place)
        found = isinstance(live, Op) or self._function(live, stand_in)
        if not found and not problem.places:
            raise ValueError(f"substitute: {problem.name} is found in no module; Problem.places must say where it is")
        for place in rest:
            self._place(place, answer)

    def _function(self, live: Any, answer: Any) -> bool:
        """Replace a method in its class, any other object wherever it is a global; returns whether there was one."""
        owner, _, name = getattr(live, "__qualname__", "").rpartition(".")
        if isinstance(live, FunctionType) and owner and "<" not in owner:
            self._put(attribute(sys.modules[live.__module__], owner), name, as_method(answer))
            return True
        name, known, standing, before = live.__name__, library_modules(), _standing(live), len(self._undo)

        def of_late() -> None:
            """In modules that were imported while it was in."""
            for module in library_modules():
                if module not in known and vars(module).get(name) is answer:
                    setattr(module, name, live)

        self._undo.append(of_late)
        for module in known:
            for key, value in list(vars(module).items()):
                if value is live or (key == name and any(value is each for each in standing)):
                    self._put(module, key, answer)
                elif type(value) is dict and key != "__builtins__":
                    for entry in [entry for entry, held in value.items() if any(held is each for each in standing)]:
                        self._undo.append(partial(value.__setitem__, entry, value[entry]))
                        value[entry] = answer
        self._in.append((live, answer))
        return len(self._undo) > before + 1

    def _place(self, place: str, answer: Any) -> None:
        owner, name, make = opened(place)
        value = answer if make is None else make(answer, getattr(owner, name))
        self._put(owner, name, as_method(value) if isinstance(owner, type) else value)

    def _put(self, owner: Any, name: str, value: Any) -> None:
        here = vars(owner)
        if name in here:
            was = here[name]
            self._undo.append(lambda: setattr(owner, name, was))
        else:
            self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, value)


def _standing(live: Any) -> list[Any]:
    """The library's own, and whatever was put in its place and is in now."""
    return [live, *(stand_in for each in _active for own, stand_in in each._in if own is live)]


# -- which answers -------------------------------------------------------------------------------------


def _chosen(answers: Mapping[str, Any] | ModuleType | None) -> list[tuple[Problem, Any]]:
    if answers is None:
        return []
    if isinstance(answers, ModuleType):
        answers = vars(answers)
    if "__name__" not in answers:
        return [(problem_named(name), answer) for name, answer in answers.items()]
    found = [(problem, answers[problem.symbol]) for problem in problems().values() if problem.symbol in answers]
    return [(problem, answer) for problem, answer in found if answer is not problem.live and _is_written(answer)]


def _is_written(answer: Any) -> bool:
    """Whether it is more than a stub, which does nothing but raise NotImplementedError."""
    if isinstance(answer, type):
        return all(_is_written(method) for method in vars(answer).values() if isinstance(method, FunctionType))
    code = getattr(answer, "__code__", None)
    return callable(answer) and (code is None or code.co_names != ("NotImplementedError",))
