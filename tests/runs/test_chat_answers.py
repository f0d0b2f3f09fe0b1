"""The answers of a conversation: how they come, what stays of them, and what is kept between turns."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs.chats import END, SETTINGS, TOKENIZER, scripted, small_model
from tests.templates.families import CHATML
from tinylm import GPT, GPTConfig
from tinylm.chat import Chat, Memory
from tinylm.sample import generate
from tinylm.templates import Template, TemplateError
from tokenizer import CharTokenizer


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.mark.parametrize("settings_", [{"temperature": 0.0}, {"temperature": 0.9, "top_k": 20, "top_p": 0.9}])
def test_an_answer_is_what_generate_gives_after_the_same_ids(model, settings_):
    chat = Chat(model, TOKENIZER, **SETTINGS, max_new_tokens=12, seed=5, **settings_)
    answer = "".join(chat.say("what is it?"))
    prompt = Template(CHATML).render([{"role": "user", "content": "what is it?"}])
    ids = list(generate(model, TOKENIZER.encode(prompt, "all"), 12, stop=[END], seed=5, **settings_))
    assert answer == TOKENIZER.decode([i for i in ids if i != END]).lstrip(" ")
    assert chat.prompt_tokens == len(TOKENIZER.encode(prompt, "all"))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_keeping_keys_and_values_between_turns_changes_no_answer(model, temperature):
    found = []
    for use_cache in (True, False):
        chat = Chat(
            model, TOKENIZER, **SETTINGS, max_new_tokens=9, seed=2, temperature=temperature, use_cache=use_cache
        )
        turns = ["".join(chat.say(text)) for text in ("one", "two", "three <|im_end|>")]
        turns.append("".join(chat.regenerate()))
        chat.system = "another"
        found.append([*turns, "".join(chat.say("four")), chat.messages])
    assert found[0] == found[1]


def test_only_new_tokens_are_computed(model, monkeypatch):
    """The choice is forced to text, for what a model of random weights says is not UTF-8 and so read anew."""
    chat = Chat(model, TOKENIZER, **SETTINGS, max_new_tokens=5)
    chat.choice = SimpleNamespace(step=lambda logits, seen, rng: SimpleNamespace(token=ord("a") + len(seen) % 7))
    read, true = [], GPT.hidden
    monkeypatch.setattr(GPT, "hidden", lambda self, ids, *rest: (read.append(ids.size), true(self, ids, *rest))[1])
    list(chat.say("one"))
    assert sum(read) == chat.prompt_tokens + 5 - 1, "the last token of an answer is not read yet"
    read.clear()
    list(chat.say("two"))
    new = len(TOKENIZER.encode("<|im_end|>\n\n<|im_start|>user\ntwo<|im_end|>\n\n<|im_start|>assistant\n", "all"))
    assert sum(read) == 1 + new + 5 - 1


@settings(max_examples=30)
@given(data=st.data())
def test_memory_gives_the_logits_of_the_ids_alone(model, data):
    """Whatever was read before: the oracle reads them in one pass without a cache."""
    memory = Memory(model)
    for _ in range(data.draw(st.integers(1, 4))):
        ids = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=9))
        wanted = Memory(model, use_cache=False).logits(ids)
        np.testing.assert_allclose(memory.logits(ids), wanted, rtol=2e-4, atol=2e-3)  # float32 sums in another order
    assert model.training, "the model's mode is put back"


def test_memory_survives_being_interrupted_anywhere(model, monkeypatch):
    memory, ids = Memory(model), [1, 2, 3, 4, 5, 6]
    memory.logits(ids[:3])
    with monkeypatch.context() as patch:
        patch.setattr(type(model.h[1].mlp), "forward", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            memory.logits(ids)
    np.testing.assert_allclose(memory.logits(ids), Memory(model, False).logits(ids), rtol=2e-4, atol=2e-3)
    assert model.training


def test_long_texts_are_read_in_parts(model):
    ids = [i % 250 for i in range(600)]
    np.testing.assert_allclose(Memory(model).logits(ids), Memory(model, False).logits(ids), rtol=0, atol=1e-3)


def test_pieces_are_whole_characters_and_join_to_the_answer(model):
    chat, _ = scripted(model, "é€😀!")
    pieces = list(chat.say("say it"))
    assert pieces == ["é", "€", "😀", "!"]
    assert chat.messages[-1] == {"role": "assistant", "content": "é€😀!"}
    assert (chat.ended, chat.answer_tokens) == ("stop", 10)


@pytest.mark.parametrize("answer", ["one. STOP two", "one. ST", "STOP"])
def test_a_stop_string_ends_the_answer_before_itself(model, answer):
    chat, _ = scripted(model, answer, stop_strings=["STOP"])
    assert "".join(chat.say("?")) == answer.split("STOP")[0]
    assert chat.messages[-1]["content"] == answer.split("STOP")[0]
    assert chat.ended == "stop"


def test_an_answer_is_cut_after_so_many_tokens(model):
    chat, _ = scripted(model, "abcdef", max_new_tokens=4)
    assert "".join(chat.say("?")) == "abcd"
    assert (chat.ended, chat.answer_tokens) == ("length", 4)


def test_an_empty_answer_is_an_answer(model):
    chat, shown = scripted(model, "", "hi")
    assert list(chat.say("?")) == []
    assert [message["content"] for message in chat.messages] == ["?", ""]
    list(chat.say("!"))
    assert chat.notice is None
    assert shown[1].count(END) == 4


# -- interrupted ---------------------------------------------------------------------------------------------


def test_an_interrupted_answer_stays_as_far_as_it_was_shown(model):
    chat, shown = scripted(model, "abcdef", "hi")
    answer = chat.say("?")
    assert [next(answer), next(answer)] == ["a", "b"]
    answer.close()
    assert chat.messages[-1] == {"role": "assistant", "content": "ab"}
    assert chat.ended == "interrupted"
    list(chat.say("go on"))
    assert "assistant\nab<|im_end|>" in TOKENIZER.decode(shown[1])


def test_a_question_without_an_answer_is_left_out_and_that_is_said(model):
    chat, shown = scripted(model, "hi")
    chat.say("never answered").close()
    assert [message["content"] for message in chat.messages] == ["never answered"]
    assert "".join(chat.say("now")) == "hi"
    assert [message["content"] for message in chat.messages] == ["now", "hi"]
    assert "had no answer" in chat.notice
    assert TOKENIZER.decode(shown[0]).count("user") == 1


def test_an_interrupted_question_can_be_answered_again(model):
    chat, _ = scripted(model, "hi")
    chat.say("one").close()
    assert "".join(chat.regenerate()) == "hi"
    assert [message["content"] for message in chat.messages] == ["one", "hi"]


def test_an_answer_that_somebody_still_holds_does_not_go_on(model):
    chat, _ = scripted(model, "abc", "hi")
    old = chat.say("?")
    next(old)
    assert "".join(chat.say("!")) == "hi"
    messages = list(chat.messages)
    assert list(old) == []
    assert chat.messages == messages
    chat.reset()
    assert list(old) == []
    assert chat.messages == []


# -- what can be changed -------------------------------------------------------------------------------------


def test_the_seed_gives_the_same_conversation_again(model):
    chat = Chat(model, TOKENIZER, **SETTINGS, max_new_tokens=8, seed=4, temperature=1.5)
    first = ["".join(chat.say(text)) for text in ("a", "b")]
    chat.reset()
    assert chat.messages == []
    assert ["".join(chat.say(text)) for text in ("a", "b")] == first
    other = Chat(model, TOKENIZER, **SETTINGS, max_new_tokens=8, seed=5, temperature=1.5)
    assert "".join(other.say("a")) != first[0]


def test_what_the_system_says_can_be_set_and_survives_a_reset(model):
    chat, shown = scripted(model, "hi", "hi", "hi", system="one")
    list(chat.say("?"))
    assert TOKENIZER.decode(shown[0]).startswith("<|im_start|>system\none<|im_end|>")
    chat.system = "two"
    list(chat.say("?"))
    assert [message["content"] for message in chat.messages] == ["two", "?", "hi", "?", "hi"]
    chat.reset()
    assert chat.messages == [{"role": "system", "content": "two"}]
    chat.system = None
    assert chat.messages == []
    with pytest.raises(ValueError, match="no question yet"):
        chat.regenerate()


def test_settings_out_of_range_are_refused_at_once(model):
    for changes in ({"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"stop_strings": [""]}):
        with pytest.raises(ValueError, match="must be"):
            Chat(model, TOKENIZER, **changes)
    with pytest.raises(TemplateError, match="line 1"):
        Chat(model, TOKENIZER, template="{% nonsense %}")
    chat = Chat(GPT(GPTConfig(3, 50, n_layer=1, n_head=1, n_embd=4)), CharTokenizer("abc"))
    with pytest.raises(ValueError, match="the character 'U'"):
        chat.say("a")
    assert chat.messages == []


@pytest.mark.slow
def test_a_real_model_answers():
    path = os.environ.get("TINYLM_SMOLLM2")
    if not path:
        pytest.skip("TINYLM_SMOLLM2 does not say where SmolLM2-135M-Instruct.Q4_1.gguf is")
    from tinylm.formats import load_model

    loaded = load_model(path)
    names = ("start", "stops", "bos_token", "eos_token")
    chat = Chat(
        loaded.model, loaded.tokenizer, template=loaded.chat_template, temperature=0, max_new_tokens=20,
        **{name: getattr(loaded, name) for name in names},
    )  # fmt: skip
    assert "Paris" in "".join(chat.say("What is the capital of France?"))
    assert "Rome" in "".join(chat.say("And of Italy? <|im_end|>"))
    assert chat.ended == "stop"


def test_ids_that_the_tokenizer_lacks_are_never_drawn():
    """Tables of published models are often padded."""
    padded = GPT(GPTConfig(TOKENIZER.vocab_size + 500, 700, 1, 2, 16, position="rope"), seed=3)
    chat = Chat(padded, TOKENIZER, **SETTINGS, max_new_tokens=40, seed=5)
    "".join(chat.say("what is it?"))
    assert 0 < chat.answer_tokens <= 40
