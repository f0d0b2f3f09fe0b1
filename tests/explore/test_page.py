"""What a page is made of: weights that come back bit by bit, nothing from outside, no text that breaks out."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.explore.models import SETTINGS, VARIANTS, make, make_default
from tinylm import GPT
from tinylm.explore import Text, gather, page
from tinylm.explore.contents import LARGEST, last_logits, text_to_train_on
from tinylm.explore.document import SCRIPTS, asset, embedded
from tinylm.explore.equations import descriptions
from tinylm.explore.pack import pack, unpack
from tinylm.explore.step import training_step
from tinylm.prepare import new_tokenizer


@given(st.sampled_from([np.float32, np.float64]), st.data())
def test_packed_arrays_come_back_bit_by_bit(dtype, data):
    shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)
    arrays = {f"a{i}": data.draw(hnp.arrays(dtype, shapes)) for i in range(data.draw(st.integers(1, 3)))}
    again = unpack(*pack(arrays), dtype)
    assert {name: a.tobytes() for name, a in again.items()} == {name: a.tobytes() for name, a in arrays.items()}
    assert {name: a.shape for name, a in again.items()} == {name: a.shape for name, a in arrays.items()}


@pytest.mark.parametrize("kind", VARIANTS)
def test_the_page_carries_every_weight_bit_by_bit(kind):
    made = make(kind)
    inside = re.search(r'<script type="text/plain" id="weights">([^<]*)</script>', made.html)
    data = re.search(r'<script type="application/json" id="data">([^<]*)</script>', made.html)
    document = json.loads(data[1])
    weights = unpack(document["weights"], inside[1], document["dtype"])
    assert list(weights) == [name for name, _ in made.model.named_parameters()]
    for name, p in made.model.named_parameters():
        assert weights[name].tobytes() == p.numpy().tobytes()
        assert weights[name].shape == p.shape


def test_the_default_model_makes_a_page_under_five_megabytes():
    assert 4e6 < len(make_default().html.encode()) < 5e6


@pytest.mark.parametrize("kind", VARIANTS)
def test_nothing_in_the_page_points_outside(kind):
    html = make(kind).html.replace("http://www.w3.org/2000/svg", "")  # the name of SVG's elements, never fetched
    assert not re.findall(
        r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|\bimport\b *[({'\"]", html
    )
    assert set(re.findall(r"""(?:src|href)=["']([^"']*)""", html)) == {"data:,"}
    assert "default-src 'none'" in html


HOSTILE = ["</script>", "<!--", "<script>", "{{data}}", "]]>", "\u2028", '"', "\\", "&lt;", "<img onerror=alert(1)>"]


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), max_size=5).map("".join))
def test_no_text_ends_the_element_that_it_stands_in(text):
    inside = embedded({"text": text, text: [text]})
    assert not set(inside) & set("<>&\u2028\u2029")
    assert inside.isascii()
    assert json.loads(inside) == {"text": text, text: [text]}


def test_a_hostile_name_changes_nothing_but_itself():
    made = make("gpt2")
    for name in HOSTILE:
        html = page({**made.document, "name": name}, made.weights)
        assert len(re.findall(r"</script\s*>", html, re.I)) == len(re.findall(r"</script\s*>", made.html, re.I)) == 3


def test_scripts_put_no_markup_together():
    for name in SCRIPTS:
        source = asset(name)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", source
        )
        assert "</script" not in source
        assert len(source.splitlines()) <= 260


def test_prompt_logits_are_those_of_the_model():
    made = make("llama")
    logits, _ = made.model(np.array([made.prompt]))
    np.testing.assert_allclose(
        made.document["prompt"]["logits"], logits.numpy()[0, -1], rtol=1e-4, atol=1e-5
    )  # float32


def test_a_prompt_longer_than_the_context_is_seen_from_its_end():
    made = make("gpt2")
    long = made.prompt * 3
    seen = long[-made.model.config.block_size :]
    assert (last_logits(made.model, long) == last_logits(made.model, seen)).all()


def test_the_training_text_is_the_prompt_and_what_followed_it():
    tokens = np.array([5, 1, 2, 3, 4, 9, 1, 2, 8, 8, 7], dtype=np.uint16)
    assert text_to_train_on([1, 2], tokens, 5).ids == [1, 2, 3, 4, 9]
    assert text_to_train_on([6, 9, 1, 2], tokens, 6).ids == [6, 9, 1, 2, 8, 8]  # the longest end that occurs
    assert text_to_train_on([1, 2, 8, 8], tokens, 3).ids == [1, 2, 8]
    assert text_to_train_on([6], tokens, 4).ids == [5, 1, 2, 3]  # nowhere: the text's beginning
    assert text_to_train_on([7], tokens, 4).ids == [5, 1, 2, 3]  # at the very end: nothing follows
    assert text_to_train_on([1], None, 4).ids == [1]
    assert all(type(i) is int for i in text_to_train_on([1, 2], tokens, 5).ids)


@pytest.mark.parametrize("kind", VARIANTS)
def test_the_recorded_step_is_that_of_the_formula(kind):
    made = make(kind)
    before = {name: p.numpy().copy() for name, p in made.model.named_parameters()}
    record = training_step(made.model, made.text, SETTINGS)
    assert all((p.numpy() == before[name]).all() for name, p in made.model.named_parameters())  # it took a copy
    logits = made.model(np.array([made.text[:-1]]))[0].numpy()[0].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = [-math.log(row[target]) for row, target in zip(p, made.text[1:], strict=True)]
    np.testing.assert_allclose(record.losses, expected, rtol=1e-4)  # the model's float32
    assert record.norm == pytest.approx(math.sqrt(sum(n * n for n in record.norms.values())))
    scale = min(1, SETTINGS.clip / (record.norm + 1e-6))
    assert scale < 1  # or the test would not see the clipping
    for probe in record.probes:
        g = probe.gradient * scale
        decay = SETTINGS.weight_decay if len(probe.place) > 1 else 0
        after = probe.before * (1 - SETTINGS.lr * decay) - SETTINGS.lr * g / (abs(g) + 1e-8)
        assert probe.before == before[probe.name][probe.place]
        assert probe.after == pytest.approx(after, rel=1e-12, abs=1e-12)
    assert record.loss_after < record.loss


@pytest.mark.parametrize("kind", VARIANTS)
def test_recorded_gradients_are_slopes_of_the_loss(kind):
    made = make(kind)
    record = training_step(made.model, made.text, SETTINGS)
    twin = GPT(made.model.config, dtype=np.float64)
    twin.load_state_dict({name: p.numpy().astype(float) for name, p in made.model.named_parameters()})
    named, h = dict(twin.named_parameters()), 1e-5
    x, y = np.array([made.text[:-1]]), np.array([made.text[1:]])
    for probe in record.probes[::3]:
        losses = []
        for offset in (h, -h):
            named[probe.name].data[probe.place] = probe.before + offset
            losses.append(twin(x, y)[1].item())
        named[probe.name].data[probe.place] = probe.before
        assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(probe.gradient, rel=1e-5, abs=1e-8)  # error about h²


def test_every_description_has_what_the_page_shows():
    for name, found in descriptions().items():
        assert found["sentence"], name
        assert found["equation"], name
        assert re.fullmatch(r"tinylm/\w+/\w+\.py:\d+", found["source"]), name
    attention = descriptions()["causal_attention"]
    assert "pᵢⱼ = softmaxⱼ(qᵢ·kⱼ / √D) over j ≤ i + S − T" in attention["equation"].split("\n")
    assert attention["note"].startswith("Vaswani")


def refused(match, kind="gpt2", prompt=None, text=None, model=None):
    made = make(kind)
    with pytest.raises(ValueError, match=match):
        gather(
            model or made.model,
            made.tokenizer,
            made.prompt if prompt is None else prompt,
            Text(made.text if text is None else text, ""),
            SETTINGS,
        )


def test_what_cannot_be_shown_is_refused():
    refused("empty", prompt=[])
    refused("at least 2 tokens", text=[1])
    refused("26 tokens; the model's context takes 25", text=[1] * 26)
    refused("ids must be from 0 to 299, got 5000", prompt=[1, 5000])


def test_damaged_weights_are_refused():
    made = make("gpt2")
    made.model.wte.weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        gather(made.model, made.tokenizer, [0], Text(made.text, ""), SETTINGS)


def test_a_model_too_large_for_a_browser_is_refused(monkeypatch):
    made = make("gpt2")
    monkeypatch.setattr("tinylm.explore.contents.LARGEST", 1000)
    with pytest.raises(ValueError, match=r"a page can carry 1,000"):
        gather(made.model, made.tokenizer, made.prompt, Text(made.text, ""), SETTINGS)
    assert LARGEST >= 1_000_000


def test_a_tokenizer_without_special_tokens_will_do():
    assert new_tokenizer(["abc"], kind="char").special_tokens == {} == make("letters").document["tokenizer"]["special"]
