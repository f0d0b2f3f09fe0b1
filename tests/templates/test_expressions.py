"""Expressions drawn from a grammar give what Jinja 2 gives, or are refused by name where Jinja gives more."""

import re
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.templates.jinja import rendered
from tinylm.templates import Template, TemplateError

VARIABLES = {
    "messages": [{"role": "user", "content": " Hi <b>"}, {"role": "assistant", "content": "yes\nno "}],
    "text": "a-b c",
    "count": 3,
    "flag": True,
    "fields": {"a": 1, "items": [1, 2], "b": None},
    "numbers": [3, 1, 2, 2],
}
REFUSED = re.compile(  # what Jinja can do and this does not: said in words
    r"cannot be shown as text|is not supported|beyond 2\^63|cannot be put into a list|cannot be a key|a series|"
    r"from the front|more than \d+|has no slices"  # of a constant, which Jinja computes by other rules
)

names = st.sampled_from(["messages", "text", "count", "flag", "fields", "numbers", "missing", "messages[0].content"])
numerals = st.sampled_from(["0", "1", "2", "3", "7", "1.5", "0.25", "10_0", "0x1f", "1e2"])
strings = st.sampled_from(["''", "'a'", '"a-b"', "' x '", r"'\n'", r"'é\u00e9'", "'1'", "'abcabc'", "'b' 'c'"])
constants = st.sampled_from(["true", "false", "none", "True", "[]", "{}", "()", "(1,)"])
atoms = st.one_of(names, names, numerals, strings, constants)
plain_filters = st.sampled_from(
    "trim upper lower capitalize length list first last string int float abs round sort tojson default d count".split()
)
filters = st.one_of(
    plain_filters,
    st.sampled_from(
        ["default('z')", "default('z', true)", "join('-')", "join(', ', attribute='role')", "replace('a', 'xy')",
         "replace('b', '', 1)", "map('upper')|list", "map(attribute='role')|list",
         "selectattr('role', '==', 'user')|list",
         "rejectattr('content')|list", "select|list", "select('odd')|list", "reject('string')|list", "indent(2)",
         "indent(1, true)", "tojson(indent=1)", "trim('a')", "sort(reverse=true)", "int(5)", "int(base=16)",
         "map(attribute='nope', default='q')|list", "map('default', 'd')|list", "join(2)", "first|default(0)",
         "tojson(separators=(',', ':'))", "round(1)", "list|length", "items|list", "reverse|list", "unique|list"]
    ),
)  # fmt: skip
tests = st.sampled_from(
    ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping",
     "iterable", "sequence", "odd", "even", "lower", "upper", "divisibleby 2", "divisibleby(3)", "eq 1", "ne('a')",
     "in [1, 'a']", "gt 1", "callable", "sameas true", "equalto 3", "lt(2)"]
)  # fmt: skip
parts = st.sampled_from(
    [".role", ".content", "[0]", "[-1]", "['a']", "[1:]", "[:-1]", "[::-1]", "[1:3]", "[::2]", ".a", ".b", ".nope",
     "[9]",
     ".items()", ".keys()", ".values()", ".get('a')", ".get('z', 1)", ".strip()", ".split('-')", ".split()", ".upper()",
     ".title()", ".startswith('a')", ".endswith(('b', 'c'))", ".replace('a', 'é')", ".lstrip('a')", ".rstrip()",
     ".splitlines()", ".find('b')", ".join(['x', 'y'])", ".count('a')", ".index(2)", ".partition('-')", ".isdigit()",
     ".removeprefix('a')", ".rsplit('-', 1)", ".0", "['strip']()", ".zfill(4)", ".center(9, '*')", ".copy()", ".pop()",
     ".rpartition('b')", ".append(1)", ".format(1)", ".__class__", ".real", "[1.5]", "[none]", "['1']"]
)  # fmt: skip


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from([*"+ - * / // % ** ~ == != < <= > >= in and or".split(), "not in"])
    return st.one_of(
        st.tuples(inner, operator, inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        st.tuples(inner, parts).map(lambda t: f"({t[0]}){t[1]}"),
        st.tuples(atoms, parts).map("".join),
        st.tuples(inner, filters).map(lambda t: f"{t[0]}|{t[1]}"),
        st.tuples(inner, st.sampled_from(["is", "is not"]), tests).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"not {e}"),
        inner.map(lambda e: f"-({e})"),
        st.tuples(inner, inner, inner).map(lambda t: f"{t[0]} if {t[1]} else {t[2]}"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]} if {t[1]}"),
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: "(" + ", ".join(items) + ")"),
        st.tuples(st.one_of(names, strings, numerals), inner).map(lambda t: f"{{{t[0]}: {t[1]}}}"),
        st.tuples(inner, inner).map(lambda t: f"dict(a={t[0]}, b={t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"range({t[0]}, {t[1]})|list"),
    )


expressions = st.recursive(atoms, _grow, max_leaves=8)


@settings(max_examples=400)
@given(expressions)
def test_an_expression_gives_what_jinja_gives(expression):
    source = "{{ " + expression + " }}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of what Jinja compiles, as `1()`
        wanted = rendered(source, **VARIABLES)
    try:
        found = Template(source).render(**VARIABLES)
    except TemplateError as problem:
        assert wanted is None or REFUSED.search(str(problem)), (str(problem), wanted)
    else:
        assert found == wanted


@settings(max_examples=100)
@given(st.lists(expressions, min_size=1, max_size=3), expressions)
def test_what_is_true_is_what_jinja_takes_for_true(branches, over):
    source = "".join(f"{{% if {e} %}}{i}{{% endif %}}" for i, e in enumerate(branches))
    source += "{% for x in " + over + " %}<{{ x }}{{ loop.index }}{{ loop.last }}>{% else %}none{% endfor %}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        wanted = rendered(source, **VARIABLES)
    try:
        found = Template(source).render(**VARIABLES)
    except TemplateError as problem:
        assert wanted is None or REFUSED.search(str(problem)), (str(problem), wanted)
    else:
        assert found == wanted
