"""A chat template: read once, then rendered for every conversation; the door to this package."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinylm.templates.checks import CHECKS
from tinylm.templates.filters import FILTERS
from tinylm.templates.interpreter import Interpreter
from tinylm.templates.lexer import fail
from tinylm.templates.limits import Budget, Problem, TemplateError
from tinylm.templates.parser import parse
from tinylm.templates.text import join, runs
from tinylm.templates.values import Fields, Function, Row, take

__all__ = ["Template"]

LARGEST_INPUT = 20_000_000  # characters and values


class Template:
    """A template in the part of Jinja 2 that chat templates use, as transformers sets Jinja up.

    Supported are text, {{ }}, {% if for set macro with filter generation break continue raw %}, {# #}, white space
    control, the operators, most methods of str and those of dict and list that change nothing, the filters and tests
    that the tables FILTERS and CHECKS name, namespace(), dict(), range(), raise_exception(), and strftime_now() where
    the caller gives it. What is not supported raises TemplateError when the template is read, or where it is met.

    Rendering has a budget of steps, text, nesting and numbers, so that no template costs more than a moment.

    >>> Template("{{ messages[0].content[:2] }}{% if add_generation_prompt %}>{% endif %}").render(
    ...     messages=[{"role": "user", "content": "hello"}])
    'he>'
    """

    def __init__(self, source: str):
        if not isinstance(source, str):
            raise TemplateError(f"a chat template is a str, got {type(source).__name__}")
        self.source = source
        try:
            self._body = parse(source, filters=FILTERS, tests=CHECKS)
        except RecursionError:
            raise fail(1, "nested too deeply") from None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        bos_token: str | None = None,
        eos_token: str | None = None,
        strftime_now: Callable[[str], str] | None = None,
        **variables: Any,
    ) -> str:
        """The text that the model is to go on from; raises TemplateError, naming the line, where that cannot be made.

        messages       dicts with "role" and "content"
        bos_token, eos_token    their spelling; None: undefined in the template
        strftime_now   the time now in a given format
        variables      whatever else the template asks for: str, int, float, bool, None, list, dict
        """
        return str(join(self._shown(messages, add_generation_prompt, bos_token, eos_token, strftime_now, variables)))

    def parts(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        bos_token: str | None = None,
        eos_token: str | None = None,
        strftime_now: Callable[[str], str] | None = None,
        **variables: Any,
    ) -> list[tuple[str, bool]]:
        """What `render` gives, cut in pieces: (text, whether it comes out of a message or variable).

        Only what does not may be read as special tokens.

        >>> Template("<|{{ messages[0].role }}|>{{ messages[0].content }}").parts([{"role": "user", "content": "<|user|>"}])
        [('<|user|>', False), ('<|user|>', True)]
        """  # noqa: E501
        return runs(self._shown(messages, add_generation_prompt, bos_token, eos_token, strftime_now, variables))

    def _shown(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool,
        bos_token: str | None,
        eos_token: str | None,
        strftime_now: Callable[[str], str] | None,
        variables: Mapping[str, Any],
    ) -> list[str]:
        given = {"tools": None, "documents": None, **variables, "messages": list(messages)}  # none, as in transformers
        given["add_generation_prompt"] = bool(add_generation_prompt)
        tokens = {"bos_token": bos_token, "eos_token": eos_token}
        given |= {name: token for name, token in tokens.items() if token is not None}
        loading = Budget(LARGEST_INPUT)
        interpreter = None
        try:
            taken = {name: take(loading, value, not name.endswith("_token")) for name, value in given.items()}
            size = sum(value.weight for value in taken.values() if isinstance(value, Row | Fields))
            if strftime_now is not None:
                taken["strftime_now"] = Function("strftime_now")
            interpreter = Interpreter(Budget(size), taken, strftime_now)
            interpreter.run(self._body, interpreter.top)
        except Problem as problem:
            raise fail(interpreter.line if interpreter else 1, str(problem)) from None
        except RecursionError:
            raise fail(interpreter.line if interpreter else 1, "nested too deeply") from None
        except (
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
        ) as problem:  # Python's own, of values that do not fit
            raise fail(interpreter.line if interpreter else 1, str(problem)) from None
        return interpreter.shown
