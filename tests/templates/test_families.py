"""Templates of well-known families give what Jinja 2 gives for drawn conversations, and what their tokens should be."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.templates.families import FAMILIES, TOKENS
from tests.templates.jinja import rendered
from tinylm.templates import Template, TemplateError

contents = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.lists(
        st.sampled_from([" ", "\n", "hi", "<think>", "</think>", "<|im_end|>", "{{", "%}", "é", "\t", "[/INST]",
                         "'", '"', "<tool_response>", "</tool_response>", "\\", "\u2028", "\x1c"]),
        max_size=8,
    ).map("".join),
)  # fmt: skip
roles = st.sampled_from(["user", "assistant", "user", "assistant", "system", "tool"])
anything = st.lists(st.fixed_dictionaries({"role": roles, "content": contents}), min_size=1, max_size=5)
tools = st.none() | st.lists(
    st.dictionaries(st.text(max_size=3), contents | st.integers(-9, 9) | st.booleans() | st.none(), max_size=3),
    max_size=2,
)


@st.composite
def alternating(draw):
    """What a chat sends: perhaps a system's message, then turns, the last one a question."""
    told = draw(st.none() | contents)
    count = 2 * draw(st.integers(0, 2)) + 1
    turns = [{"role": "assistant" if i % 2 else "user", "content": draw(contents)} for i in range(count)]
    return ([] if told is None else [{"role": "system", "content": told}]) + turns


@pytest.mark.parametrize("family", FAMILIES)
@given(messages=alternating() | anything, prompt=st.booleans(), tools=tools)
def test_a_family_is_rendered_as_jinja_renders_it(family, messages, prompt, tools):
    variables = {"messages": messages, "add_generation_prompt": prompt, "tools": tools, **TOKENS}
    wanted = rendered(FAMILIES[family], **variables)
    template = Template(FAMILIES[family])
    if wanted is None:
        with pytest.raises(TemplateError):
            template.render(**variables)
    else:
        assert template.render(**variables) == wanted
        assert "".join(text for text, _ in template.parts(**variables)) == wanted


@given(messages=alternating())
def test_the_template_of_a_real_model_is_rendered_as_jinja_renders_it(messages):
    path = os.environ.get("TINYLM_SMOLLM2")
    if not path:
        pytest.skip("TINYLM_SMOLLM2 does not say where SmolLM2-135M-Instruct.Q4_1.gguf is")
    source = chat_template(Path(path))
    wanted = rendered(source, messages=messages, add_generation_prompt=True)
    assert Template(source).render(messages=messages) == wanted


def chat_template(path: Path) -> str:
    """The string under tokenizer.chat_template of a GGUF file: its length in 8 bytes, then its bytes."""
    key = b"tokenizer.chat_template"
    with path.open("rb") as file:
        data = file.read(8 << 20)
    place = data.index(key) + len(key) + 4  # the type, 8: a string
    length = int.from_bytes(data[place : place + 8], "little")
    return data[place + 8 : place + 8 + length].decode()
