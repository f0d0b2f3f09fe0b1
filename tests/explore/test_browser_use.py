"""The page in a real browser as a person uses it: mouse, keys, tabs, sliders, a phone; and the default model's size."""

import math

import numpy as np
import pytest

from tests.explore.models import make, make_default
from tests.explore.person import go, set_number, step_of
from tinylm.choose import Choice
from tinylm.explore.contents import last_logits

NAMELESS = """() => Array.from(document.querySelectorAll("button, input, select, textarea, canvas[tabindex]"))
    .filter((e) => !(e.textContent || e.ariaLabel || e.labels?.[0]?.textContent || "").trim())
    .map((e) => e.outerHTML)"""  # controls that a screen reader could not call by a name


@pytest.fixture(scope="module")
def made():
    return make("gpt2")


def test_every_step_is_reached_by_mouse_and_by_keys(opened):
    page = opened()
    steps = page.evaluate("tinylm.app.steps.token.map((s) => s.id)")
    assert len(steps) == 2 + 8 * 2 + 3 + 2
    for step in steps:
        assert step_of(page) == step
        assert page.inner_text("#card h2")
        if step != steps[-1]:
            page.click("#next")
    assert page.is_disabled("#next")
    for step in reversed(steps):
        assert step_of(page) == step
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert step_of(page) == steps[1]
    page.click("#back")
    assert step_of(page) == steps[0]
    assert "Step 1 of" in page.inner_text("#where")


def test_tabs_are_walked_with_the_keys(opened):
    page = opened()
    page.focus("#tab-token")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("body[data-tab=training]")
    assert page.evaluate("document.activeElement.id") == "tab-training"
    assert page.get_attribute("#tab-training", "aria-selected") == "true"
    assert page.get_attribute("#tab-token", "tabindex") == "-1"
    assert step_of(page) == "loss"
    page.keyboard.press("Home")
    page.wait_for_selector("body[data-tab=token]")


def test_sliders_move_with_the_keys_and_stay_with_their_numbers(opened, made):
    page = opened()
    go(page, "choose")
    for name, setting, key in (
        ("temperature", "temperature", "ArrowRight"), ("topK", "topK", "ArrowLeft"), ("topP", "topP", "ArrowLeft"),
        ("minP", "minP", "ArrowRight"), ("penalty", "penalty", "ArrowRight"),
    ):  # fmt: skip
        before = page.evaluate("Array.from(tinylm.app.choice.p)")
        page.focus(f"#slider-{name}")
        for _ in range(8):
            page.keyboard.press(key)
        value = page.evaluate(f"tinylm.app.settings.{setting}")
        assert float(page.input_value(f"[data-setting={setting}]")) == pytest.approx(value, rel=1e-5)
        assert page.evaluate("Array.from(tinylm.app.choice.p)") != before
    settings = page.evaluate("tinylm.app.settings")
    choice = Choice(settings["temperature"], settings["topK"], settings["topP"], settings["minP"], settings["penalty"])
    step = choice.step(np.array(made.document["prompt"]["logits"]), made.prompt, np.random.default_rng(0))
    np.testing.assert_allclose(page.evaluate("Array.from(tinylm.app.choice.p)"), step.p, atol=1e-6)
    assert step_of(page) == "choose"


def test_the_number_drawn_picks_the_interval_it_falls_into(opened, made):
    page = opened()
    go(page, "choose")
    p = page.evaluate("Array.from(tinylm.app.choice.p)")
    for uniform in (0.0, 0.25, 0.5, 0.999):
        set_number(page, "uniform", uniform)
        token = page.evaluate("tinylm.app.choice.token")
        assert math.fsum(p[:token]) <= uniform + 1e-12 < math.fsum(p[: token + 1]) + 1e-9
    page.click("text=Draw another")
    drawn = page.evaluate("tinylm.app.uniform")
    assert 0 <= drawn < 1
    page.click("text=What seed 1 draws here")
    assert page.evaluate("tinylm.app.uniform") == made.document["draws"]["numbers"][0] != drawn


def test_other_logits_raise_a_loud_warning(opened, made, file):
    logits = made.document["prompt"]["logits"]
    wrong = made.document | {"prompt": made.document["prompt"] | {"logits": [value + 0.01 for value in logits]}}
    whole = file.read_text("utf-8")
    try:
        made.document, kept = wrong, made.document
        file.write_text(made.html, "utf-8")
        page = opened()
    finally:
        made.document = kept
        file.write_text(whole, "utf-8")
    assert page.get_attribute("#agreement", "role") == "alert"
    assert "differ" in page.inner_text("#agreement")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_step_is_wider_than_a_phone(opened, scheme):
    page = opened(width=360, color_scheme=scheme)
    for tab in ("token", "training"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"body[data-tab={tab}]")
        for step in page.evaluate("tinylm.app.list.map((s) => s.id)"):
            page.evaluate("(id) => tinylm.app.goTo(id)", step)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, step


def test_everything_that_can_be_used_has_a_name(opened):
    page = opened()
    for tab in ("token", "training"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"body[data-tab={tab}]")
        for step in page.evaluate("tinylm.app.list.map((s) => s.id)"):
            page.evaluate("(id) => tinylm.app.goTo(id)", step)
            nameless = page.evaluate(NAMELESS)
            assert nameless == [], step


def test_another_text_begins_with_the_first_number_of_the_seed(opened, made):
    page, numbers = opened(), made.document["draws"]["numbers"]
    page.click("text=Try another text")
    page.fill("#edit", "the dog")
    page.click("text=Walk with this text")
    assert page.evaluate("tinylm.app.ids.length") != len(made.prompt)
    for number in numbers[:3]:
        go(page, "choose")
        assert page.evaluate("tinylm.app.uniform") == number
        page.click("#append-stay")


def test_a_small_difference_from_python_is_told(opened, made, file):
    record = made.document["training"]["record"]
    wrong = made.document["training"] | {"record": record | {"loss": record["loss"] * (1 + 1e-5)}}
    whole, kept = file.read_text("utf-8"), made.document
    try:
        made.document = kept | {"training": wrong}
        file.write_text(made.html, "utf-8")
        page = opened()
    finally:
        made.document = kept
        file.write_text(whole, "utf-8")
    go(page, "loss")
    assert page.get_attribute("#training-agreement", "role") == "alert"
    assert "differ from tinylm's" in page.inner_text("#training-agreement")


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.tagName")


def test_the_focus_is_never_lost(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    page.keyboard.press("Enter")
    assert focused(page) == "card-title"
    go(page, "choose")
    page.focus("#append-stay")
    page.keyboard.press("Enter")
    assert focused(page) == "append-stay"  # so that Enter appends again and again
    page.focus("#append-walk")
    page.keyboard.press("Enter")
    assert (step_of(page), focused(page)) == ("text", "card-title")
    go(page, "h.0.attn.mix")
    page.focus("#card [data-value='2']")
    page.keyboard.press("Enter")
    assert page.evaluate("[tinylm.app.at.head, document.activeElement.dataset.value]") == [2, "2"]


def test_a_table_wider_than_the_screen_is_scrolled_by_the_keys_and_others_are_no_stop(opened):
    for width, stop in ((1280, ":not([tabindex])"), (320, "[tabindex='0']")):
        page = opened(width=width)
        go(page, "loss")
        table = page.locator("#card [aria-label='All positions']")
        table.locator("table").evaluate("(table) => table.style.minWidth = '600px'")
        page.wait_for_selector(f"#card [aria-label='All positions']{stop}")
        if width == 320:
            table.focus()
            page.keyboard.press("ArrowRight")
            assert step_of(page) == "loss"
    assert page.locator("#card [aria-label='What the model expected'][tabindex]").count() == 0
    page.focus("#card-title")
    page.keyboard.press("ArrowRight")
    assert step_of(page) == "dlogits"


def test_what_is_chosen_is_said_once_when_the_slider_rests(opened):
    page = opened()
    go(page, "choose")
    said = page.locator("#card [role=status]")
    page.wait_for_selector("#card [role=status]:not(:empty)", state="attached")
    said.evaluate("(p) => new MutationObserver(() => (p.dataset.said = Number(p.dataset.said ?? 0) + 1))"
                  ".observe(p, { childList: true })")  # fmt: skip
    page.focus("#uniform")
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#card [role=status][data-said]", state="attached")
    page.wait_for_timeout(900)  # longer than it waits
    assert int(said.get_attribute("data-said")) <= 2 < 6
    assert said.text_content() == page.locator("#card .result").text_content()


def test_forced_colours_leave_bars_and_what_is_chosen(opened):
    page = opened(forced_colors="active")
    go(page, "logits")
    bar = page.locator("#card .bar-fill").first
    assert bar.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(213, 94, 0)"
    assert page.locator("[aria-pressed=true]").first.evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"


def test_the_penalty_remembers_what_has_left_the_window(opened, made):
    page = opened()
    ids = [5] + [6] * made.model.config.block_size  # the model no longer sees the 5
    page.evaluate("(ids) => tinylm.app.setIds(ids, 1)", ids)
    go(page, "choose")
    set_number(page, "temperature", 1.0)
    set_number(page, "penalty", 2.0)
    logits = last_logits(made.model, ids).astype(float)
    shown = page.evaluate("Array.from(tinylm.app.choice.p)")
    for seen, same in ((ids, True), (ids[1:], False)):
        step = Choice(1.0, repetition_penalty=2.0).step(logits, seen, np.random.default_rng(0))
        assert np.allclose(shown, step.p, rtol=1e-4, atol=0) == same


def test_the_default_model_opens_from_a_file_and_trains(browser, tmp_path):
    made = make_default()
    path = tmp_path / "page.html"
    path.write_text(made.html, "utf-8")
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]", timeout=30_000)
    assert page.inner_text("#agreement").startswith("✓")
    go(page, "choose")
    page.click("#append-walk")
    ids = page.evaluate("tinylm.app.ids")
    logits = page.evaluate("Array.from(tinylm.app.logitsAt(tinylm.app.trace.T - 1))")
    np.testing.assert_allclose(logits, last_logits(made.model, ids), atol=1e-4)
    go(page, "loss")
    assert page.evaluate("tinylm.app.training.difference") < 1e-6
    assert asked == [path.as_uri()]
    page.close()
