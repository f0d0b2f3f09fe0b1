"""Sliders for a notebook: in a real browser they choose as tinylm.choose does, by mouse and by keys, and ask nobody."""

import json
import re
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest

from tinylm.choose import Choice
from tinylm.explore.sliders import sampling_sliders

V, SEEN = 60, [3, 3, 7]
LOGITS = np.round(np.random.default_rng(4).normal(size=V) * 8) / 4  # many are equal
LOGITS[:2] = LOGITS.max()  # tokens that look like markup are among those shown
LABELS = [b"</script>", b"<b>", b" a", b'"\n', *(f"t{i}".encode() for i in range(4, V))]


def written(picture):
    """The data that stand in the element."""
    return json.loads(unescape(re.search(r'data-choice="([^"]*)"', picture.html())[1]))


def test_the_element_holds_the_very_numbers_and_where_the_sliders_stand():
    choice = Choice(0.7, top_k=9, top_p=0.9, min_p=0.01, repetition_penalty=1.2)
    data = written(sampling_sliders(LOGITS, LABELS, seen=SEEN, choice=choice, uniform=0.25))
    assert data["logits"] == LOGITS.tolist()
    assert data["at"] == {
        "temperature": 0.7, "topK": 9, "topP": 0.9, "minP": 0.01, "penalty": 1.2, "uniform": 0.25,
    }  # fmt: skip
    off = written(sampling_sliders(LOGITS, LABELS))["at"]
    assert (off["topK"], off["topP"], off["minP"], off["penalty"]) == (V, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("logits", "labels", "uniform", "what"),
    [
        (LOGITS.reshape(6, 10), LABELS, 0.5, "one row"),
        ([], [], 0.5, "one row"),
        ([0.0, np.nan], LABELS[:2], 0.5, "finite"),
        (LOGITS, LABELS[:3], 0.5, "as many labels, got 3"),
        (LOGITS, LABELS, 1.0, "from 0 up to 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(logits, labels, uniform, what):
    with pytest.raises(ValueError, match=what):
        sampling_sliders(logits, labels, uniform=uniform)


@pytest.fixture
def page(browser, tmp_path):
    """Two elements in one page; afterwards it is held against having asked or complained."""
    first = sampling_sliders(LOGITS, LABELS, seen=SEEN, choice=Choice(0.8), uniform=0.3)
    second = sampling_sliders(LOGITS[:1], LABELS[:1])
    file = tmp_path / "sliders.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{first.html()}{second.html()}{first.html()}", "utf-8")
    context, seen = browser.new_context(), []
    opened = context.new_page()
    opened.on("request", lambda request: seen.append(request.url))
    opened.on("console", lambda message: seen.append(message.text))
    opened.on("pageerror", lambda error: seen.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    context.close()
    assert seen == [file.as_uri()]


FIRST = "document.querySelectorAll('.tinylm-sliders')[0]"


def put(page, name, position):
    page.evaluate(
        f"""([name, position]) => {{
          const range = {FIRST}.querySelector(`input[name=${{name}}]`);
          range.value = position;
          range.dispatchEvent(new Event("input"));
        }}""",
        [name, position],
    )


def compare(page):
    """What the element shows against the library's choice with the same settings."""
    shown = page.evaluate(f"{FIRST}.tinylm")
    at = shown["at"]
    choice = Choice(
        at["temperature"],
        None if at["topK"] == V else at["topK"],
        None if at["topP"] == 1 else at["topP"],
        None if at["minP"] == 0 else at["minP"],
        at["penalty"],
    )
    step = choice.step(LOGITS, SEEN, SimpleNamespace(random=lambda: at["uniform"]))
    np.testing.assert_allclose(shown["p"], step.p, atol=1e-12)
    assert shown["token"] == step.token
    return at


def test_the_sliders_choose_as_the_library_does(page):
    rng = np.random.default_rng(1)
    highest = {"temperature": 2, "topK": 1, "topP": 1, "minP": 1, "penalty": 2, "uniform": 0.999}
    seen = set()
    for _ in range(150):
        for name in rng.permutation(list(highest))[:2]:
            put(page, str(name), float(rng.choice([0, 1, rng.random()])) * highest[name])
        at = compare(page)
        seen |= {name for name, value in at.items() if value not in (0, 1, V)}
        seen |= {"greedy"} if at["temperature"] == 0 else set()
    assert seen >= {*highest, "greedy"}  # each was moved to somewhere in the middle


def test_top_k_is_off_at_the_whole_vocabulary_and_not_below(page):
    put(page, "temperature", 2)
    for position, k in ((1, V), (0.995, V - 1), (0, 1)):
        put(page, "topK", position)
        assert compare(page)["topK"] == k
        assert np.count_nonzero(page.evaluate(f"{FIRST}.tinylm.p")) == k


def test_a_slider_moves_by_the_keys_and_says_where_it_stands(page):
    page.locator("input[name=temperature]").first.focus()
    before = compare(page)
    page.keyboard.press("ArrowRight")
    after = compare(page)
    assert after["temperature"] == pytest.approx(before["temperature"] + 0.05)
    page.keyboard.press("Home")
    assert compare(page)["temperature"] == 0
    assert "greedy" in page.locator("[role=status]").first.inner_text()
    assert "0 (greedy)" in page.locator("output").first.inner_text()


def test_several_elements_stand_side_by_side_and_tokens_are_text(page):
    assert page.locator(".tinylm-sliders[data-ready]").count() == 3
    assert page.evaluate("document.querySelectorAll('.tinylm-sliders')[1].tinylm.p") == [1]
    assert page.locator(".tinylm-sliders b, .tinylm-sliders script").count() == 0
    assert "<b>" in page.locator(".tinylm-sliders").first.locator("table th").all_inner_texts()
    put(page, "temperature", 0.05)
    assert page.evaluate("document.querySelectorAll('.tinylm-sliders')[2].tinylm.at.temperature") == 0.8


def test_a_filter_marks_what_it_cut(page):
    put(page, "topK", 0)  # one token
    rows = page.locator(".tinylm-sliders").first.locator("tr").all_inner_texts()[1:]
    assert len(rows) == 12
    assert "chosen" in rows[0]
    assert all("✕ top-k" in row for row in rows[1:])
