"""A hostile template costs little and ends in one TemplateError."""

import random
import time
import tracemalloc

import pytest

from tests.templates.families import FAMILIES, TOKENS
from tests.templates.test_language import GIVES, MESSAGES
from tinylm.templates import Template, TemplateError

SECONDS = 4.0  # each takes under a quarter of a second here
MEGABYTES = 60  # of what Python's allocator counts; the budget is some millions of characters

DOUBLING = "{% set ns = namespace(s=@) %}{% for i in range(99999) %}{% set ns.s = # %}{% endfor %}{{ ns.s }}"


def doubling(start: str, step: str) -> str:
    return DOUBLING.replace("@", start).replace("#", step)


HOSTILE = {
    "a tower of powers": "{{ 10**10**10 }}",
    "a power of a power": "{{ 10 ** (10 ** 10) }}",
    "a large power": "{{ 7**99999 }}",
    "a repeated text": "{{ 'a' * 10**9 }}",
    "a text repeated twice": "{% set a = 'a' * 9999 %}{{ a * 9999 }}",
    "a text that doubles": doubling("'a'", "ns.s + ns.s"),
    "a text that doubles by ~": doubling("'a'", "ns.s ~ ns.s"),
    "a list that doubles": doubling("[1]", "ns.s + ns.s"),
    "a list that holds itself twice": doubling("[1]", "[ns.s, ns.s]"),
    "a dict that holds itself twice": doubling("{}", "{'a': ns.s, 'b': ns.s}"),
    "a deep list": doubling("[1]", "[ns.s]"),
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a long text again and again": "{% for i in range(99999) %}" + "x" * 20000 + "{% endfor %}",
    "many variables": "".join(f"{{% set a{i} = 'x' * 9999 %}}" for i in range(2000)),
    "a macro that calls itself": "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "a macro of much text": "{% macro m() %}"
    + "x" * 9999
    + "{% endmacro %}{% for i in range(9999) %}{{ m() }}{% endfor %}",
    "deep brackets": "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "deep lists": "{{ " + "[" * 9000 + "]" * 9000 + " }}",
    "many signs": "{{ " + "-" * 9000 + "1 }}",
    "many nots": "{{ " + "not " * 9000 + "1 }}",
    "many ifs": "{% if 1 %}" * 3000,
    "many dots": "{{ x" + ".a" * 9000 + " }}",
    "many filters": "{{ x" + "|trim" * 9000 + " }}",
    "many sums": "{{ 1" + "+1" * 9000 + " }}",
    "many parameters": "{% macro f(" + ",".join(f"a{i}" for i in range(9000)) + ") %}{% endmacro %}",
    "replacing": "{% set a = 'a' * 99999 %}{{ a | replace('a', a) }}",
    "searching backwards": "{% set a = 'a' * 300000 %}{{ a.rfind('ab' ~ 'a' * 150000) }}",
    "cutting backwards": "{% set a = 'a' * 300000 %}{{ a.rsplit('ab' ~ 'a' * 150000) }}",
    "searching often": "{% set a = 'ab' * 99999 %}{% for i in range(9999) %}{{ a.count('ba') }}{% endfor %}",
    "comparing often": "{% set a = 'a' * 99999 %}{% set b = a ~ '' %}{% for i in range(999) %}{{ a == b }}{% endfor %}",
    "cutting often": "{% set a = 'a ' * 99999 %}{% for i in range(9999) %}{% set b = a.split() %}{% endfor %}",
    "all characters": "{% set a = '\U0001f600' * 400000 %}{% for c in a %}{% endfor %}",
    "a wide indent": "{{ [[1]] | tojson(indent=10**9) }}",
    "wide columns": "{{ 'a'.center(10**10) }}{{ 'a'.zfill(10**10) }}",
    "a long range": "{{ range(10**12) | list }}",
    "sorting often": "{% for i in range(999) %}{% set a = range(30000) | list | sort %}{% endfor %}",
    "looking often": "{% set a = range(9999) | list %}{% for i in range(99999) %}{{ -1 in a }}{% endfor %}",
    "a long number": "{{ " + "9" * 90000 + " }}",
    "a large float": "{{ 1e" + "9" * 900 + " }}",
    "open brackets": "{{" * 40000,
    "open statements": "{%" * 40000,
    "open comments": "{#" * 40000,
    "open strings": "{{ '" * 30000,
    "much white space": "{%-" + " " * 90000,
    "white space to strip": (" " * 9000 + "{{- 1 }}") * 9,
    "a namespace in itself": "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    "typed text": "{% for i in range(9999) %}{{ (messages[0].content * 9999).replace('h', '<<') }}{% endfor %}",
    "too long": "x" * 100_001,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_soon_and_small(name):
    before = time.perf_counter()
    try:
        Template(HOSTILE[name]).render(MESSAGES)
    except TemplateError as problem:
        assert len(str(problem)) < 300
    assert time.perf_counter() - before < SECONDS
    tracemalloc.start()
    try:
        Template(HOSTILE[name]).render(MESSAGES)
    except TemplateError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < MEGABYTES << 20


def test_the_budget_grows_with_the_conversation():
    """What stops an attack must not stop a long conversation: here a million characters in two thousand messages."""
    messages = [{"role": "user" if i % 2 == 0 else "assistant", "content": "word " * 100} for i in range(2001)]
    for name, source in FAMILIES.items():
        if name != "macros":
            assert len(Template(source).render(messages, **TOKENS)) > 900_000


SEEDS = [source for source, _ in GIVES] + [source[:700] for source in FAMILIES.values()]
WORDS = (
    "{{ }} {% %} {%- -%} {# #} if else endif for in endfor set endset macro endmacro ( ) [ ] { } ' \" . , : | ~ + - * "
    "/ ** % == != < is not and or loop messages content role namespace range(9) 0 1 99999999999 1e9 true none x ns.x = "
    "raw endraw generation endgeneration break continue with endwith filter upper trim join tojson map selectattr "
    "split strip \\n \\ \n é \ud800 \x00"
).split(" ")


def mutated(rng: random.Random) -> str:
    source = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 5)):
        a = rng.randint(0, len(source))
        b = min(len(source), a + rng.choice([0, 0, 1, 2, 5, 20]))
        how = rng.random()
        if how < 0.5:
            new = rng.choice(WORDS)
        elif how < 0.75:
            new = ""
        else:
            other = rng.choice(SEEDS)
            start = rng.randint(0, len(other))
            new = other[start : start + rng.randint(1, 30)]
        source = source[:a] + new + source[b:]
    return source


@pytest.mark.slow
def test_twenty_thousand_mutated_templates_give_text_or_one_error():
    rng = random.Random(7)
    texts = longest = 0
    for _ in range(20_000):
        source = mutated(rng)
        before = time.perf_counter()
        try:
            text = Template(source).render(MESSAGES[:1], **TOKENS)
        except TemplateError as problem:
            assert str(problem).startswith("chat template, line ")
        else:
            texts += 1
            assert isinstance(text, str)
        longest = max(longest, time.perf_counter() - before)
    assert longest < SECONDS
    assert 2_000 < texts < 16_000, "both happen often"
