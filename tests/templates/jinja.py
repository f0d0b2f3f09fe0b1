"""Jinja 2 set up as transformers sets it up for chat templates (utils/chat_template_utils.py): the oracle."""

import json
from typing import Any

import pytest

jinja2 = pytest.importorskip("jinja2", reason="jinja2, the oracle, is not installed")

from jinja2.ext import Extension  # noqa: E402
from jinja2.nodes import CallBlock  # noqa: E402
from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: E402


class Generation(Extension):
    """{% generation %}: its body as it stands."""

    tags = {"generation"}  # noqa: RUF012  (as Jinja wants it)

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def _raise(message):
    raise jinja2.exceptions.TemplateError(message)


def _tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
)
ENVIRONMENT.filters["tojson"] = _tojson
ENVIRONMENT.globals["raise_exception"] = _raise


def rendered(source: str, **variables: Any) -> str | None:
    """What Jinja makes of a template; None where it refuses, whatever its reason."""
    try:
        return ENVIRONMENT.from_string(source).render(**variables)
    except RecursionError:
        raise
    except Exception:  # Jinja lets Python's own errors through
        return None
