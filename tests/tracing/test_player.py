"""The player: where it stands, what keys do, what a terminal and a page show of it."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinylm
from tests.tracing.conftest import everything, small
from tinylm.cli.screen import painted, split_keys
from tinylm.tracing import NotInTrace, TraceStep
from tinylm.tracing.playing import HELP, Player
from tinylm.tracing.select import Part
from tinylm.tracing.stepper import Stepper
from tokenizer.show.characters import display_width

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WORDS = st.sampled_from(["", "a", "h.0", "h.0.attn", "wte"])
KINDS = st.sampled_from(["forward", "backward", "choice"])


@st.composite
def parts(draw):
    """Some steps, whose numbers need not begin at 0."""
    first = draw(st.integers(0, 50))
    made = draw(st.lists(st.tuples(KINDS, WORDS), min_size=1, max_size=30))
    return Part(
        [TraceStep(first + i, kind, f"{scope}: {i}", scope, "op") for i, (kind, scope) in enumerate(made)], "it"
    )


MOVES = ("next", "back", "first", "last", "next_module", "back_module", "next_kind", "back_kind")


@given(parts(), st.lists(st.sampled_from(MOVES), max_size=60))
def test_no_move_leaves_the_trace_and_each_says_whether_it_moved(part, moves):
    stepper = Stepper(part)
    for move in moves:
        before = stepper.place
        assert getattr(stepper, move)() == (stepper.place != before)
        assert 0 <= stepper.place < len(part)
        assert stepper.step is part.steps[stepper.place]


@given(parts(), st.data())
def test_on_and_back_is_where_one_was(part, data):
    stepper = Stepper(part, data.draw(st.integers(0, len(part) - 1)))
    start = stepper.place
    for there, back in (("next", "back"), ("back", "next")):
        if getattr(stepper, there)():
            assert getattr(stepper, back)()
        assert stepper.place == start


@given(parts())
def test_kinds_and_modules_are_met_one_after_the_other_and_in_reverse(part):
    """The runs are counted here without any stepper."""
    for key, on, back in (
        (lambda s: s.kind, "next_kind", "back_kind"),
        (lambda s: (s.kind, s.scope), "next_module", "back_module"),
    ):
        begins = [i for i, s in enumerate(part.steps) if i == 0 or key(s) != key(part.steps[i - 1])]
        stepper, seen = Stepper(part), [0]
        while getattr(stepper, on)():
            seen.append(stepper.place)
        assert seen == sorted({*begins, len(part) - 1})
        seen = []
        while getattr(stepper, back)():
            seen.append(stepper.place)
        assert seen == [i for i in reversed(begins) if i != len(part) - 1]


@given(parts(), st.integers(-5, 100))
def test_a_jump_arrives_at_that_number_or_says_which_there_are(part, number):
    stepper = Stepper(part)
    if number in {step.number for step in part.steps}:
        stepper.jump(str(number))
        assert stepper.step.number == number
    else:
        with pytest.raises(NotInTrace, match=f"{part.steps[0].number} … {part.steps[-1].number}"):
            stepper.jump(number)
        assert stepper.place == 0


def test_jumps_find_modules_ops_kinds_parameters_and_the_next_of_them(traced):
    stepper = Stepper(traced)
    for word, fits in (
        ("h.0.attn", lambda s: s.scope == "h.0.attn"),
        ("h", lambda s: s.scope.startswith("h.")),
        ("causal_attention", lambda s: s.op == "causal_attention"),
        ("choice", lambda s: s.kind == "choice"),
        ("wpe.weight", lambda s: "wpe.weight" in s.leaves.values()),
    ):
        expected = [step.number for step in traced if fits(step)]
        stepper.first()
        seen = []
        for _ in range(len(expected) + 1):
            stepper.jump(word)
            seen.append(stepper.step.number)
        assert seen == [*expected, expected[0]], word
    with pytest.raises(NotInTrace, match=r"no step 'zebra'.*module \(wte.*op \(.*kind \("):
        stepper.jump("zebra")


def test_a_search_needs_all_words_and_goes_round(traced):
    stepper = Stepper(traced)
    expected = [s.number for s in traced if "attn" in s.title and s.kind == "backward"]
    seen = []
    for word in ["ATTN backward", *[""] * len(expected)]:
        stepper.search(word)
        seen.append(stepper.step.number)
    assert seen == [*expected, expected[0]]
    with pytest.raises(NotInTrace, match="'no such words'"):
        stepper.search("no such words")
    with pytest.raises(NotInTrace, match="no nan"):
        stepper.jump("nan")


def test_a_nan_is_found():
    with np.errstate(all="ignore"), tinylm.trace() as t:
        x = tinylm.tensor([1.0, 2.0]) * 2
        y = (x * np.inf) * 0
        y + 1
    stepper = Stepper(t)
    stepper.jump("NaN")
    assert stepper.step.number == 2
    assert Stepper(t).jump("inf")


def test_a_trace_without_steps_has_no_place_to_stand():
    with pytest.raises(NotInTrace, match="no steps"):
        Stepper(Part([], "an empty trace"))


# -- keys and screens ------------------------------------------------------------------------------------


def player(trace):
    return Player(trace, "a run", lambda step, index: trace.why(step, index).text())


def shown(player, width=90, height=30):
    return "\n".join(
        painted([(text, "") for text, _ in line], width, colour=False) for line in player.lines(width, height)
    )


def press(player, *keys):
    return [player.press(key) for key in keys][-1]


KEYS = st.sampled_from(
    [*"npmMbBvwtdh?q/g[]<> 12x.", "left", "right", "up", "down", "tab", "enter", "escape", "backspace", "home", "end",
     "pageup", "pagedown"]
)  # fmt: skip


@given(st.lists(KEYS, max_size=40), st.integers(20, 140), st.integers(5, 50))
def test_any_keys_leave_a_screen_of_just_that_size(traced, keys, width, height):
    here = player(traced)
    for key in keys:
        if not here.press(key):
            break
        lines = here.lines(width, height)
        assert len(lines) == height
        for line in lines:
            plain = ESCAPE.sub("", painted(line, width, colour=True))
            assert plain.isprintable() or not plain
            assert display_width(plain) <= width
        assert traced.steps[here.stepper.place] is here.stepper.step


def test_the_step_screen_shows_what_the_step_has(traced):
    here = player(traced)
    press(here, "g", *"causal_attention", "enter")
    text, step = shown(here), here.stepper.step
    for words in (
        step.title,
        "pᵢⱼ = softmaxⱼ",
        step.source,
        step.caller[:40],
        f"from step {step.sources['q']}",
        "B,H,T,S",
    ):
        assert words in text


def test_the_values_are_the_arrays_own_numbers_with_their_tokens(traced):
    here = player(traced)
    press(here, "g", *"causal_attention", "enter", "v", "tab")
    while here.arrays[here.chosen] != ("kept", "p"):
        press(here, "tab")
    p = here.stepper.step.kept["p"]
    press(here, "]")
    text = shown(here)
    assert "B 0 of 1, H 1 of 2" in text
    rows = [line.split() for line in text.splitlines() if re.match(r" \d+ ", line) and " … " not in line]
    # a row's number, its token, then the numbers of head 1 to three digits
    numbers = [[float(x.replace("−", "-")) for x in row[2:]] for row in rows]
    np.testing.assert_allclose(np.array(numbers), p[0, 1][:, : len(numbers[0])], rtol=6e-3, atol=1e-12)
    tokens = next(step for step in traced if step.kind == "encode").settings["tokens"]
    assert [row[1] for row in rows] == tokens[: len(rows)]
    press(here, "q")
    assert here.view == "step"


def test_why_and_derivative_are_one_key_away_and_say_where_there_is_none(traced):
    here = player(traced)
    press(here, "w")
    assert "receipts are of merge, choice and update steps" in " ".join(shown(here).split())
    press(here, "g", *"update", "enter", "w")
    assert "AdamW" not in shown(here)
    assert "the gradient" in shown(here)
    g = here.stepper.step.inputs["g"]
    place = ", ".join(str(int(i)) for i in np.unravel_index(np.abs(g).argmax(), g.shape))
    assert f"[{place}]" in shown(here)
    press(here, "q", "d")
    assert "only a backward step" in shown(here)
    press(here, "g", *"backward", "enter", "d")
    assert "agrees" in shown(here)


def test_what_is_typed_can_be_mended_and_given_up(traced):
    here = player(traced)
    press(here, "g", *"99", "backspace", "backspace", "5", "enter")
    assert here.stepper.step.number == 5
    press(here, "g", "9", "escape")
    assert not here.asking
    assert here.stepper.step.number == 5
    press(here, "/", "q", "enter")  # q is a letter here
    assert here.stepper.step.number != 5
    assert press(here, "q") is False


def test_every_key_that_the_help_names_is_known(traced):
    for line in HELP.splitlines():
        for key in line[:16].split():
            named = {"space": " ", "→": "right", "←": "left", "↑": "up", "↓": "down", "Esc": "escape"}.get(key, key)
            here = player(traced)
            press(here, named.lower() if len(named) > 1 else named)
            assert "no such key" not in here.message, key


def test_nothing_that_a_terminal_obeys_comes_out_of_a_trace():
    step = TraceStep(0, "forward", "a\x1b[2Jb\x07\u202e", "x", "op", equation="\x9b31m", settings={"s": "\x1b]0;t\x07"})
    here = Player(Part([step], "it"), "t\x1b[1m", lambda *_: "")
    assert "\x1b" not in shown(here) + shown(here, 40)
    assert all(character.isprintable() for character in shown(here).replace("\n", ""))


def test_without_colour_a_line_has_no_colour_and_with_it_ends_as_it_began():
    line = [("a", "good"), ("b", "#ff0000"), ("c", "bold")]
    assert painted(line, 9, colour=False) == "ab\x1b[1mc\x1b[0m"
    assert painted(line, 9, colour=True).count("\x1b[0m") == 3
    assert ESCAPE.sub("", painted([("日本語", "")], 5, colour=True)) == "日…語"


@given(st.lists(st.sampled_from(["n", "é", "日", "left", "right", "pageup", "enter", "home", "backspace"]), max_size=8))
def test_keys_arrive_as_they_were_pressed(keys):
    sent = {
        "left": "\x1b[D",
        "right": "\x1bOC",
        "pageup": "\x1b[5~",
        "enter": "\r",
        "home": "\x1b[1~",
        "backspace": "\x7f",
    }
    assert list(split_keys("".join(sent.get(key, key) for key in keys))) == keys


# -- the page --------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """What a person reads of a page without scripts."""

    def __init__(self):
        super().__init__()
        self.steps, self.depth, self.text, self.skip, self.scripts = [], 0, [], 0, 0

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.depth += tag == "details"
        self.skip += tag in ("style", "script")
        self.scripts += tag == "script"
        if "data-n" in found:
            self.steps.append(int(found["data-n"]))
        assert not {"src", "href"} & set(found)

    def handle_endtag(self, tag):
        self.depth -= tag == "details"
        self.skip -= tag in ("style", "script")

    def handle_data(self, data):
        if not self.skip:
            self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.depth == 0
    return reader


def test_without_scripts_every_step_can_be_read(traced):
    reader = read(traced._repr_html_())
    text = "".join(reader.text)
    assert reader.steps == [step.number for step in traced]
    for step in traced:
        assert f"{step.number} {step.title}" in text
        assert step.sentence in text
        for line in step.equation.splitlines():
            assert line in text


def test_the_page_of_a_long_trace_is_of_modest_size_and_needs_nothing_else():
    html = everything(small(n_layer=4, n_head=4, n_embd=16), steps=1).player(most=350)
    assert read(html).scripts == 1
    assert len(html) < 400_000
    assert "http" not in html


def test_what_a_trace_says_cannot_become_markup():
    bad = '</script><img src=x onerror="a">'
    step = TraceStep(0, "forward", bad, bad, bad, bad, bad, bad, bad, settings={bad: bad}, leaves={bad: bad})
    html = tinylm.tracing.Trace([step]).player()
    assert "<img" not in html
    assert html.count("</script>") == 1
    assert bad in "".join(read(html).text)


def test_steps_beyond_the_limit_are_counted(traced):
    html = traced.player(most=10)
    assert read(html).steps == list(range(10))
    assert f"… and {len(traced) - 10} more steps" in html


def test_a_receipt_on_a_page_has_every_line_and_its_signs(traced):
    receipt = traced.why("wte.weight", (3, 2))
    html = receipt._repr_html_()
    for part in receipt.sums:
        rows = re.findall(
            r"<th scope=row>([^<]*)</th><td class=o>([^<]*)</td><td class=n>([^<]*)</td>",
            html.split(f"<caption>{part.title}</caption>")[1].split("</table>")[0],
        )
        assert [unescape(label) for label, _, _ in rows] == [*(line.label for line in part.lines), part.label]
        values = [float(n.replace(",", "")) * (-1 if "−" in sign else 1) for _, sign, n in rows]
        expected = [float(line.value) for line in part.lines] + [float(part.total)]
        np.testing.assert_allclose(values, expected, rtol=1e-8)
        assert len({text.find(".") for _, _, text in rows if "." in text}) <= 1  # points stand one below the other


def test_in_a_browser_two_players_step_each_for_itself(browser, traced, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8>{traced.player()}{traced.player(start=4)}", "utf-8")
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    one, two = page.query_selector_all(".tinylm-player")

    def places():
        return [int(part.query_selector(".at").inner_text().split()[1].rstrip(":")) for part in (one, two)]

    assert places() == [0, 4]
    one.focus()
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", len(traced) - 1), ("Home", 0)):
        page.keyboard.press(key)
        assert places() == [place, 4]
    stepper = Stepper(traced)
    for _ in range(4):
        page.keyboard.press("k")
        stepper.next_kind()
        assert places()[0] == stepper.step.number
    for _ in range(4):
        page.keyboard.press("PageUp")
    assert places()[0] < stepper.step.number
    page.keyboard.press("Home")
    field = two.query_selector("input")
    for word in ("h.1.attn", "choice", "causal_attention", "7"):
        here = Stepper(traced, places()[1])
        here.jump(word)
        field.fill(word)
        field.press("Enter")
        assert places()[1] == here.step.number
        assert traced[places()[1]].title in two.query_selector(".now h4").inner_text()
    field.fill("zebra")
    field.press("Enter")
    assert "no step “zebra”" in two.query_selector(".said").inner_text()
    two.query_selector("button[title^='the next step']").click()
    assert places()[1] == 8
    assert said == []
    page.close()
