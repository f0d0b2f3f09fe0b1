"""The language, piece by piece: what each construct gives, and that what is not supported is refused by name and line.

The expected texts are Jinja 2's, set up as transformers does; where it is installed, that is tested too.
"""

import pytest

from tests.templates.families import CHATML, FAMILIES, LLAMA2, LLAMA3, TOKENS
from tinylm.templates import Template, TemplateError

MESSAGES = [
    {"role": "user", "content": " hi <b>"},
    {"role": "assistant", "content": "yo\n"},
    {"role": "user", "content": "é'\""},
]

GIVES = [
    ("{{ 1 + 2 * 3 }}", "7"),
    ("{{ -1 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 2 ** -1 }}", "1 64 0.5"),
    ("{{ 'a' ~ 1 ~ none }}", "a1None"),
    ("{{ [1,'x',(1,)] }} {{ {'a': [1]} }}", "[1, 'x', (1,)] {'a': [1]}"),
    ("{{ x }} {{ x is defined }} {{ x|default('q') }}", " False q"),
    ("{{ messages|length }} {{ messages[0].content|trim|upper }}", "3 HI <B>"),
    ("{{ messages[-1]['content'][::-1] }}", "\"'é"),
    ("{% for m in messages %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.previte"
     "m.role if loop.previtem }}{% else %}no{% endfor %}", "1TrueFalse2FalseFalseuser3FalseTrueassistant"),
    ("{% set ns = namespace(a=1) %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% endfo"
     "r %}{{ ns.a }}", "4"),
    ("{% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, b=3) }}{{ f(b=1)"
     " }}", "[12][13][1]"),
    ("{{ messages|map(attribute='role')|join(',') }}", "user,assistant,user"),
    ("{{ messages|selectattr('role','equalto','user')|list|length }}", "2"),
    ("{{ messages|rejectattr('role','==','user')|map(attribute='content')|first }}", "yo\n"),
    ("{{ 'a b  c'.split() }} {{ 'a,b'.split(',')[1] }} {{ ' x '.strip() }}", "['a', 'b', 'c'] b x"),
    ("  yes", "  yes"),
    (" {{- 'x' -}}  ", "x"),
    ("a", "a"),
    ("{#- c -#} b", "b"),
    ("{%- raw %} {{ x }} {% endraw %}z", " {{ x }} z"),
    ("{% set x %}abc{% endset %}{{ x }}", "abc"),
    ("{% filter upper %}abc{% endfilter %}", "ABC"),
    ("{% generation %}g{% set q = 1 %}{% endgeneration %}{{ q }}", "g"),
    ("{{ 'a' if false }}{{ 'a' if 1 else 'b' }}", "a"),
    ("{{ 1 < 2 < 3 }} {{ 3 in [1,2] }} {{ 'a' not in 'abc' }}", "True False False"),
    ("{{ messages|tojson }} {{ {'a':[1,2]}|tojson(indent=2) }}",
     "[{\"role\": \"user\", \"content\": \" hi <b>\"}, {\"role\": \"assistant\", \"content\": \"yo\\n\"}, {\""
     "role\": \"user\", \"content\": \"é'\\\"\"}] {\n  \"a\": [\n    1,\n    2\n  ]\n}"),
    ("{{ 'abc'|first }}{{ 'abc'|last }}{{ []|first }}", "ac"),
    ("{{ \"a\\nb\\u0041\\x42\" }}", "a\nbAB"),
    ("{% for k, v in {'a':1,'b':2}.items() %}{{k}}={{v}};{% endfor %}", "a=1;b=2;"),
    ("{% for k, v in {'a':1,'b':2}|items %}{{k}}={{v}};{% endfor %}", "a=1;b=2;"),
    ("{% for i in range(5) if i is odd %}{{ i }}{{ loop.length }}{% endfor %}", "1232"),
    ("{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% brea"
     "k %}{% endif %}{{ i }}{% endfor %}", "02"),
    ("{{ 'a\\nb\\n'|indent(2) }}|{{ 'a\\n\\nb'|indent(2, true) }}|{{ ''|indent(2,true) }}|{{ 'a"
     "\\n\\nb'|indent(2, true, true) }}", "a\n  b\n|  a\n\n  b|  |  a\n  \n  b"),
    ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "3"),
    ("{{ 5 // 2 }} {{ 5 / 2 }} {{ 5 % 3 }} {{ 7.5 // 2 }}", "2 2.5 2 3.0"),
    ("{{ not x and 1 }} {{ 0 or 'a' }} {{ 1 and 0 }}", "1 a 0"),
    ("{{ 1.5|round }} {{ '3'|int + 1 }} {{ 'x'|int(7) }} {{ '2.5'|float }}", "2.0 4 7 2.5"),
    ("{{ [3,1,2]|sort }} {{ ['b','A']|sort }} {{ [1,1,2]|unique|list }}", "[1, 2, 3] ['A', 'b'] [1, 2]"),
    ("{{ messages[0].content.foo is defined }} {{ none is none }} {{ messages[9] is defined"
     " }}", "False True False"),
    ("{{ 'abc'[1:] ~ 'abc'[:-1] ~ 'abcdef'[::2] }}", "bcabace"),
    ("{{ (1,2) }} {{ 1, 2 }} {{ () }} {{ (1,) }}", "(1, 2) (1, 2) () (1,)"),
    ("{{ 'a' 'b' }} {{ '%s' }} {{ 1_000 }} {{ 0x1f }} {{ 1e3 }}", "ab %s 1000 31 1000.0"),
    ("{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"),
    ("{{ 'a' * 3 }} {{ [1] * 2 }} {{ [1] + [2] }}", "aaa [1, 1] [1, 2]"),
    ("{{ \"x\" is string }} {{ 1 is number }} {{ true is integer }} {{ {} is mapping }} {{ []"
     " is sequence }} {{ 'a' is iterable }} {{ 3 is divisibleby 3 }} {{ 3 is divisibleby(2)"
     " }}", "True True False True True True True False"),
    ("{{ messages[0].get('role') }} {{ messages[0].get('zz') }} {{ messages[0].get('zz', 'd"
     "') }} {{ messages[0].keys()|list }}", "user None d ['role', 'content']"),
    ("{{ 'a-b'|replace('-', '+') }} {{ 'a-b-c'.replace('-', '+', 1) }} ", "a+b a+b-c "),
    ("{{ loop is defined }}", "False"),
    ("{{ x|length }} {{ x|list }} {% for i in x %}{% endfor %}{{ 'a' in x }}", "0 [] False"),
    ("{{ 'Hello'|tojson|safe }}", "\"Hello\""),
    ("{{ dict(a=1, b=[2]) }} {{ dict({'a':1}) }}", "{'a': 1, 'b': [2]} {'a': 1}"),
    ("{{ range(3)|list }} {{ range(3)[1] }} {{ range(3) }}", "[0, 1, 2] 1 range(0, 3)"),
    ("  {% if true %}\n  yes\n  {% endif %}\n\n {{- 'x' -}} \n\n  a\n   {# c #}  \n b {%+ if 1 %} q"
     " {%- endif +%}\n z\n\n", "  yes\nxa\n  \n b  q\n z\n"),
    ("a  {%- for x in [1,2] -%}\n  {{ x }}\n  {%- endfor %}\n\tq\n{% raw -%}  a {% endraw -%}  b", "a12\tq\na b"),
    ("{{ messages.0.role }}{{ [[1, 2], [3]][0].1 }}", "user2"),
    ("{% set x = 1 %}{% for i in range(2) %}{{ x }}{% set x = 2 %}{% endfor %}{{ x }}", "111"),
    ("{% macro m() %}{{ late }}{% endmacro %}{% set late = 1 %}{{ m() }}", "1"),
    ("{% for a in [1, 2] %}{% for b in [3] %}{{ loop.index }}{% endfor %}{{ loop.index }}{{"
     " loop.nextitem }}{{ loop.cycle('x', 'y') }}{{ loop.revindex }}{% endfor %}", "112x212y1"),
    ("{% if x %}a{% elif messages %}b{% else %}c{% endif %}", "b"),
    ("{% set x %} a {% endset %}[{{ x }}]{% set y | trim | upper %} a {% endset %}[{{ y }}]", "[ a ][A]"),
    ("{% filter replace('a', 'b') | upper %}banana{% endfilter %}", "BBNBNB"),
    ("{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z is defined }}", "1False"),
    ("{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}{{ 'é<'|tojson }}{{ 'é'|tojson(ensure_as"
     "cii=true) }}", "{\"a\": 2, \"b\": 1}\"é<\"\"\\u00e9\""),
    ("{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}", "ba"),
    ("{{ namespace(a=1).a }}{% set ns = namespace({'b': 2}, c=3) %}{{ ns.b + ns['c'] }}{{ n"
     "s.d is defined }}", "15False"),
    ("line\r\ntwo\r{{ 'a\r\nb' }}\n\n", "line\ntwo\na\nb\n"),
    ("{{ 'a' if messages|length > 2 and not x else 'b' }}", "a"),
    ("{{ messages | map(attribute='content') | map('trim') | reject('equalto', 'yo') | join"
     "('|') }}", "hi <b>|é'\""),
    ("{% if 1 %}\n  {% if 1 %}\n    x\n  {% endif %}\n{% endif %}\n  {# c #}\n\t{% set y = 1 %}\n{{ y }} \n {{ y }}",
     "    x\n1 \n 1"),
    ("{% for i in [1] %}\n  {% raw %}{{ }}{% endraw %}\n  {{- i }}\n{% endfor %}",
     "{{ }}1\n"),
    ("{{ {'a': {'b': [1]}}.a.b[0] }}{% set x = {'c': {'d': 2}} %}{{ x.c.d }}", "12"),
    ("{{ 'abc' | reverse }}{{ [1, 2] | reverse | list }}", "cba[2, 1]"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), GIVES)
def test_a_construct_gives_its_text(source, text):
    assert Template(source).render(MESSAGES) == text


@pytest.mark.parametrize(("source", "text"), GIVES)
def test_that_text_is_what_jinja_gives(source, text):
    pytest.importorskip("jinja2")
    from tests.templates.jinja import rendered

    assert rendered(source, messages=MESSAGES, add_generation_prompt=True) == text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a\n{% include 'x' %}", "line 2: {% include %} is not supported"),
        ("{% import 'x' as y %}", "line 1: {% import %} is not supported"),
        ("{% block x %}{% endblock %}", "{% block %} is not supported"),
        ("{% call f() %}{% endcall %}", "{% call %} is not supported"),
        ("{% do x %}", "{% do %} is not supported"),
        ("\n\n{{ x | xmlattr }}", "line 3: the filter 'xmlattr' is not supported"),
        ("{{ 'a' ~ x | safe }}", "the filter 'safe' is supported only at the end"),
        ("{{ x is callable and x is escaped }}", "the test 'escaped' is not supported"),
        ("{{ f(*x) }}", "* and ** in a call are not supported"),
        ("{% for x in y recursive %}{% endfor %}", "{% for ... recursive %} is not supported"),
        ("{% macro f() %}{{ varargs }}{% endmacro %}", "'varargs' in a macro is not supported"),
        ("{% for x in [1] %}{{ loop.changed(x) }}{% endfor %}", "loop.changed is not supported"),
        ("{{ 'a' ~ 1 + 2 }}", "text + a number cannot be computed"),
        ("{{ '%s' % 1 }}", "the operator % for text is not supported"),
        ("{{ 'a'.format(1) }}", "the attribute 'format' of text is not supported"),
        ("{{ ''.__class__ }}", "the attribute '__class__' of text is not supported"),
        ("{{ messages.append(1) }}", "the attribute 'append' of a list is not supported"),
        ("{{ messages[0].pop('role') }}", "the attribute 'pop' of a dictionary is not supported"),
        ("{{ messages.__init__.__globals__ }}", "the attribute '__init__' of a list is not supported"),
        ("{{ (1).real }}", "the attribute 'real' of a number is not supported"),
        ("{{ range.mro() }}", "is not supported"),
        ("{{ messages[0].get.__init__ }}", "the attribute '__init__' of a method is not supported"),
        ("{{ raise_exception('no ' ~ 1) }}", "the template says: no 1"),
        ("{{ nothing.at.all }}", "'nothing' is undefined"),
        ("\n{{ 1 +\n nothing }}", "line 2: a number + 'nothing', which is undefined, cannot be computed"),
        ("{{ nothing() }}", "'nothing', which is undefined, cannot be called"),
        ("{% for x in 5 %}{% endfor %}", "a number cannot be looped over"),
        ("{% set x.y = 1 %}", "x.y can be set only in a namespace()"),
        ("{% set ns = namespace() %}{% set ns._x = 1 %}", "begins with an underscore"),
        ("{{ messages | map('upper') }}", "a series cannot be shown as text"),
        ("{{ 1 // 0 }}", "line 1: integer division or modulo by zero"),
        ("{{ [1][::0] }}", "slice step cannot be zero"),
        ("{{ {[]: 1} }}", "a list cannot be a key"),
        ("{% if x %}\na", "line 1: the template ends, and {% endif %} has not come"),
        ("{{ x", "the template ends inside {{"),
        ("{# x", "a comment, {#, without its end, #}"),
        ("{% raw %}x", "{% raw %} without {% endraw %}"),
        ("{{ 'x }}", "a string without its end"),
        ("{{ (1] }}", "unexpected ']'"),
        ("{{ 1 2 }}", "expected the end of the tag, got 2"),
        ("{{ }}", "expected a value, got the end, }}"),
        ("{{ a ? b }}", "unexpected '?'"),
        ("{% endif %}", "{% endif %} is not supported here"),
        ("{% break %}", "{% break %} outside of a loop"),
        ("{% set true = 1 %}", "'true' cannot be assigned to"),
        (r"{{ '\ud800' }}", "is no character"),
        (r"{{ '\N{BULLET}' }}", "is not supported; write the character itself"),
        ("{{ x is defined is defined }}", "`is` after `is`; write `and`"),
        ("{% for a, b in [(1, 2, 3)] %}{% endfor %}", "2 names for 3 values"),
        ("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "the macro 'f' takes at most 1 arguments, got 2"),
    ],
)
def test_what_is_refused_is_named_with_its_line(source, words):
    with pytest.raises(TemplateError, match=r"^chat template, line \d+: ") as caught:
        Template(source).render(MESSAGES)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_variables_must_be_plain_values():
    with pytest.raises(TemplateError, match="no template can use: object"):
        Template("{{ x }}").render([], x=object())
    with pytest.raises(TemplateError, match="is a str, got bytes"):
        Template(b"x")  # type: ignore[arg-type]
    assert (
        Template("{{ x }}{{ y }}").render([], x=(1, 2.5, None, {"a": [True]}), y=3) == "[1, 2.5, None, {'a': [True]}]3"
    )


def test_the_time_comes_from_the_caller():
    messages = [{"role": "user", "content": "hi"}]
    text = Template(LLAMA3).render(messages, strftime_now=lambda form: f"<{form}>", **TOKENS)
    assert "Today Date: <%d %b %Y>\n" in text
    assert "Today Date: 26 Jul 2024\n" in Template(LLAMA3).render(messages, **TOKENS)
    assert "Today Date: now\n" in Template(LLAMA3).render(messages, date_string="now", **TOKENS)


def test_a_template_can_be_rendered_again_and_changes_nothing_of_the_caller():
    messages = [dict(message) for message in MESSAGES[:1]]
    for source in FAMILIES.values():
        template = Template(source)
        assert template.render(messages, **TOKENS) == template.render(messages, **TOKENS)
    assert messages == MESSAGES[:1]


def test_a_known_template_gives_the_known_text_and_refuses_in_its_own_words():
    with pytest.raises(TemplateError, match=r"^chat template, line 1: the template says: roles must alternate"):
        Template(LLAMA2).render([{"role": "assistant", "content": ""}], **TOKENS)
    assert Template(CHATML).render([{"role": "user", "content": "hi"}], add_generation_prompt=False) == (
        "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n\n<|im_start|>user\nhi<|im_end|>\n\n"
    )
