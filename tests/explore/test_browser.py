"""The page in a real browser: it samples, appends, trains and explains as tinylm does, whatever the model."""

from itertools import product

import numpy as np
import pytest

from tests.explore.models import SETTINGS, VARIANTS, make
from tests.explore.person import go, set_number, step_of
from tinylm.backend import stream
from tinylm.choose import Choice
from tinylm.explore.contents import last_logits
from tinylm.explore.step import training_step
from tinylm.sample import generate, sampling


@pytest.fixture(scope="module", params=VARIANTS)
def made(request):
    return make(request.param)


def test_the_page_opens_and_agrees_with_tinylm(opened, made):
    page = opened()
    assert page.inner_text("#agreement").startswith("✓")
    assert f"run of {made.document['name'].split()[-1]}" in page.inner_text("#facts")
    assert page.evaluate("tinylm.app.agreement.difference") < 1e-4
    assert page.evaluate("Array.from(tinylm.app.logitsAt(tinylm.app.trace.T - 1))") == made.document["prompt"]["logits"]


def test_keys_in_a_map_choose_cells_and_not_steps(opened, made):
    page = opened()
    go(page, "embed")
    canvas = page.locator("#card canvas").first
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    T, C = len(made.prompt), made.model.config.n_embd
    assert step_of(page) == "embed"
    assert page.evaluate("[tinylm.app.at.t, tinylm.app.at.c]") == [T - 2, 2]
    told = page.inner_text("#card .receipt tr.total td:last-child").replace("−", "-")
    row = made.model.wte.weight.numpy()[made.prompt[T - 2], 2]
    if made.model.config.position == "learned":
        row = row + made.model.wpe.weight.numpy()[T - 2, 2]
    assert float(told) == pytest.approx(row, rel=1e-5)
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * (C - 0.5) / C, "y": 8})
    assert page.evaluate("[tinylm.app.at.t, tinylm.app.at.c]") == [0, C - 1]


GRID = [
    *product([0.5, 1.7], [None, 5], [None, 0.7], [(None, 1.4), (0.1, 1.0)]),
    (0.0, None, None, (None, 1.0)), (0.0, 3, 0.5, (0.2, 2.0)),
    (1.0, 1, None, (None, 1.0)), (0.8, None, 0.01, (None, 1.0)),
]  # fmt: skip


def test_sliders_give_the_probabilities_of_tinylm(opened, made):
    page = opened()
    go(page, "choose")
    V = made.model.config.vocab_size
    (recorded,) = sampling(made.model, made.prompt, 1, seed=1)
    for temperature, k, p, (m, penalty) in GRID:
        set_number(page, "temperature", temperature)
        set_number(page, "topK", V if k is None else k)
        set_number(page, "topP", 1 if p is None else p)
        set_number(page, "minP", 0 if m is None else m)
        set_number(page, "penalty", penalty)
        choice = Choice(temperature, k, p, m, penalty)
        step = choice.step(recorded.logits, made.prompt, stream(1, "sampling"))  # draws what seed 1 draws
        shown, token = page.evaluate("[Array.from(tinylm.app.choice.p), tinylm.app.choice.token]")
        np.testing.assert_allclose(shown, step.p, atol=1e-6)
        assert token == step.token
        assert page.locator("#card .result .token").count() == 1


def test_appended_tokens_are_those_of_tinylm_sample(opened, made):
    page = opened()
    go(page, "choose")
    count = 8  # beyond the context, so that the window moves
    set_number(page, "penalty", 1.3)  # of everything before, also of what has left the window
    expected = list(generate(made.model, made.prompt, count, temperature=0.8, repetition_penalty=1.3, seed=1))
    for number in range(count):
        page.click("#append-stay")
        ids = page.evaluate("tinylm.app.ids")
        assert ids == made.prompt + expected[: number + 1]
        logits = page.evaluate("Array.from(tinylm.app.logitsAt(tinylm.app.trace.T - 1))")
        np.testing.assert_allclose(logits, last_logits(made.model, ids), atol=1e-4)
    page.click("#append-walk")
    assert step_of(page) == "text"
    if len(made.prompt) + count + 1 > made.model.config.block_size:
        assert "sees the last 24" in page.inner_text("#card")


def test_any_token_can_be_appended_by_hand_and_taken_back(opened, made):
    page = opened()
    go(page, "append")
    page.fill("#search", "7")
    page.click("#card [data-id='7']")
    assert page.evaluate("tinylm.app.ids") == [*made.prompt, 7]
    logits = page.evaluate("Array.from(tinylm.app.logitsAt(tinylm.app.trace.T - 1))")
    np.testing.assert_allclose(logits, last_logits(made.model, [*made.prompt, 7]), atol=1e-4)
    page.click("text=Take the last token back")
    assert page.evaluate("tinylm.app.ids") == made.prompt


def test_another_text_is_encoded_in_the_page(opened, made):
    page = opened()
    page.click("text=Try another text")
    page.fill("#edit", "the dog </script> sat")
    page.click("text=Walk with this text")
    ids = page.evaluate("tinylm.app.ids")
    assert ids == made.tokenizer.encode("the dog </script> sat")
    logits = page.evaluate("Array.from(tinylm.app.logitsAt(tinylm.app.trace.T - 1))")
    np.testing.assert_allclose(logits, last_logits(made.model, ids), atol=1e-4)
    page.click("text=Try another text")
    page.fill("#edit", "<b>bye</b>")  # no text becomes markup
    page.click("text=Walk with this text")
    assert page.locator("#card b, #text b").count() == 0
    page.click("text=Try another text")
    page.fill("#edit", "")
    page.click("text=Walk with this text")
    assert "at least one token" in page.inner_text("[role=alert]")
    page.click("text=Back to the prompt")
    assert page.evaluate("tinylm.app.ids") == made.prompt


def number(page, name):
    return float(page.get_attribute(f"#card [data-name='{name}']", "data-exact"))


def test_the_receipt_of_any_weight_adds_up_to_what_adamw_makes_of_it(opened, made):
    page = opened()
    go(page, "weight")
    record = training_step(made.model, made.text, SETTINGS)
    tied = [probe for probe in record.probes if probe.name == "wte.weight"]
    assert tied
    for probe in [*tied, *record.probes[6::8]]:
        page.select_option("#parameter", probe.name)
        page.fill("#weight-row", str(probe.place[0]))
        if len(probe.place) > 1:
            page.fill("#weight-column", str(probe.place[1]))
        tiny = 1e-12  # a gradient of 0 that rounding made, as that of a key's bias
        assert number(page, "gradient") == pytest.approx(probe.gradient, rel=1e-6, abs=tiny)
        assert number(page, "before") == probe.before
        if abs(probe.gradient) > tiny:
            assert number(page, "after") == pytest.approx(probe.after, rel=1e-6)
        total = number(page, "before") + number(page, "decay") + number(page, "step")
        assert total == pytest.approx(number(page, "after"), rel=1e-14, abs=1e-15)
        if probe.name == "wte.weight" and made.model.config.tie_weights:
            both = number(page, "use-0") + number(page, "use-1")
            assert both == pytest.approx(number(page, "gradient"), rel=1e-12)


def test_the_training_step_is_the_recorded_one(opened, made):
    page = opened()
    go(page, "loss")
    cells = page.locator("#card td[data-recorded]").evaluate_all("cells => cells.map((c) => c.dataset.exact)")
    record = training_step(made.model, made.text, SETTINGS)
    np.testing.assert_allclose([float(cell) for cell in cells], record.losses, rtol=1e-9)
    assert page.evaluate("tinylm.app.training.difference") < 1e-6
    go(page, "gradients")
    for name, norm in record.norms.items():
        assert float(page.get_attribute(f"[data-norm='{name}']", "data-exact")) == pytest.approx(norm, rel=1e-6)
    go(page, "update")
    assert float(page.get_attribute("#loss-after", "data-exact")) == pytest.approx(record.loss_after, rel=1e-9)
    page.fill("#set-lr", "0")
    page.keyboard.press("Tab")
    assert float(page.get_attribute("#loss-after", "data-exact")) == pytest.approx(record.loss, rel=1e-12)


def test_the_equation_of_the_bend_is_this_models(opened, made):
    page = opened()
    go(page, "h.0.mlp.hidden")
    told = page.inner_text("#card .ops")
    expected = {"gelu": "y = x · Φ(x)", "gelu_tanh": "y = ½ x (1 + tanh u)", "swiglu": "y = x · σ(x)"}
    assert [kind for kind, line in expected.items() if line in told] == [made.model.config.mlp]
    assert "none:" not in told
    assert "tinylm/ops/activation.py:" in told
