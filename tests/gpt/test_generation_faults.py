"""Seeded faults of generation: each changes a few words of the source, and a named check must catch it."""

import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.gpt import generation
from tinylm import choose
from tinylm.cache import Cache
from tinylm.gpt import GPT, CausalSelfAttention
from tinylm.sample import loop, rows


@dataclass(frozen=True)
class Fault:
    """The check that must fail when some words of a function's source are others: {those that stand there: others}."""

    what: str
    check: Any
    owner: Any
    name: str
    changes: dict[str, str]

    def __repr__(self) -> str:
        return self.what

    def wrong(self) -> Any:
        """The function with the fault, in the globals of the true one."""
        true = getattr(self.owner, self.name)
        source = textwrap.dedent(inspect.getsource(true))
        for old, new in self.changes.items():
            assert source.count(old) == 1, f"{self.name} no longer reads {old!r}"
            source = source.replace(old, new)
        found: dict[str, Any] = {}
        exec(compile(source, self.what, "exec"), true.__globals__, found)
        return found[self.name]


CAUGHT = (AssertionError, ValueError)  # what a failing test raises, and what the model does for ids that cannot be

pieces, walk = generation.check_rows_in_pieces, generation.check_greedy_walk
one, batch = generation.check_alone, generation.check_batch

SLIDE = """
    found = {}
    if self.cache.length == longest:
        for array in [array for pair in self.cache._layers.values() for array in pair]:
            array[:, :, :-1] = array[:, :, 1:]
        self.cache.lengths = [n - 1 if n == longest else n for n in self.cache.lengths]
        new = [self.texts[row][-1:] for row in self.cached]
        return dict(zip(self.cached, self._next(new, self.cache)))
"""  # as if a key did not depend on what its token had seen

# fmt: off
FAULTS = [
    Fault("positions begin again at 0", walk, Cache, "begin",
          {"np.arange(start, start + T)": "np.arange(T)"}),
    Fault("positions one too high", walk, Cache, "begin",
          {"start, start + T)": "start + (start > 0), start + T + (start > 0))"}),
    Fault("all rows at the longest's position", pieces, Cache, "begin",
          {"[:, None] + np.arange(T)": "[:, None] * 0 + start + np.arange(T)"}),
    Fault("rows mixed up", pieces, Cache, "extend",
          {"k.data[row, :, :n], v.data[row, :, :n]": "k.data[~row, :, :n], v.data[~row, :, :n]"}),
    Fault("rows that stay keep the keys of others", pieces, Cache, "keep",
          {"if new != old:": "if False:"}),
    Fault("values of rows that left", pieces, Cache, "keep",
          {"in arrays:": "in arrays[:1]:"}),
    Fault("lengths of rows that left", pieces, Cache, "keep",
          {"for row in rows]": "for row in range(len(rows))]"}),
    Fault("padding counts as text", batch, Cache, "commit",
          {"zip(self.lengths, self._new, strict=True)": "((a, max(self._new)) for a in self.lengths)"}),
    Fault("what is not filled is attended to", batch, Cache, "extend",
          {"np.arange(end) <= self": "np.arange(end) < 99 + self"}),
    Fault("a query misses itself", batch, Cache, "extend",
          {"np.arange(end) <= self": "np.arange(end) < self"}),
    Fault("the mask of an earlier call", pieces, Cache, "begin",
          {"self._new, self.mask = new, None": "self._new = new"}),
    Fault("no mask for unequal rows", batch, CausalSelfAttention, "forward",
          {"cache is None or cache.mask is None": "True"}),
    Fault("rotary positions of the first row", pieces, GPT, "hidden",
          {"positions = positions[:, None]": "positions = positions[:1, None]"}),
    Fault("learned positions of the first row", pieces, GPT, "hidden",
          {"if positions.ndim == 1 else": "if True else"}),
    Fault("logits of a padding", batch, rows.Rows, "_next",
          {"x[:, -1] if min(lengths) == T else": "x[:, -1] if True else"}),
    Fault("logits of the first position", one, rows.Rows, "_next",
          {"x[:, -1]": "x[:, 0]"}),
    Fault("logits one position early", batch, rows.Rows, "_next",
          {"x[i, n - 1]": "x[i, max(n - 2, 0)]"}),
    Fault("padding on the left without a mask", batch, rows.Rows, "_next",
          {"row[: len(text)] = text": "row[-len(text) :] = text"}),
    Fault("equal prompts go on from another's keys", batch, rows.Rows, "_read",
          {"self.cache.select(places)": "self.cache.select(places[::-1])"}),
    Fault("equal prompts begin with another's logits", batch, rows.Rows, "_read",
          {"logits[place] for": "logits[-1] for"}),
    Fault("the window slides too early", walk, rows.Rows, "logits",
          {"[-longest:]": "[1 - longest:]"}),
    Fault("the window does not slide", walk, rows.Rows, "logits",
          {"[-longest:]": "[:longest]"}),
    Fault("one old position is left in the window", walk, rows.Rows, "logits",
          {"self.texts[row][-longest:]": "(self.texts[row][:1] + self.texts[row][1 - longest:])"}),
    Fault("a row that outgrew the context takes another's text", batch, rows.Rows, "logits",
          {"for row in outside], None": "for row in reversed(outside)], None"}),
    Fault("no stop id ends a row", batch, loop, "steps_of",
          {"step.token in ends": "False"}),
    Fault("no stop id ends a text", one, loop, "steps_of",
          {"step.token in ends": "False"}),
    Fault("a stop id ends all rows", batch, loop, "steps_of",
          {"live = [other for other in live if other != row]": "live = []"}),
    Fault("the stop id is not given", batch, loop, "steps_of",
          {"                live = [": "                steps[row] = None; live = ["}),
    Fault("one stream for all rows", batch, loop, "generate_batch",
          {"[rng_of(seed, row) for row in range(len(texts))]": "[rng_of(seed)] * len(texts)"}),
    Fault("the same seed for all rows", batch, loop, "rng_of",
          {"stream(seed + row": "stream(seed"}),
    Fault("the presence penalty counts the prompt", one, choose.Choice, "step",
          {"seen[start:], self.presence": "seen, self.presence"}),
    Fault("bad words see the text without the prompt", one, choose.Choice, "step",
          {"process(self._first, logits, seen, start)": "process(self._first, logits, seen[start:], 0)"}),
    Fault("typical ids are those at temperature 1", one, choose.Choice, "step",
          {"probabilities(scaled), self.typical_p": "probabilities(penalized), self.typical_p"}),
    Fault("each row's text begins where the first row's does", batch, loop, "steps_of",
          {"[len(prompt) for prompt in prompts]": "[len(prompts[0])] * len(prompts)"}),
    Fault("the penalty looks at the first row", batch, loop, "steps_of",
          {"prompts[row], rngs": "prompts[0], rngs"}),
    Fault("a greedy choice draws a number", one, choose, "choose_token",
          {"token = int(penalized.argmax())": "token = pick(probabilities(penalized), rng.random())"}),
    Fault("the oldest keys are dropped and the others used again", walk, rows.Rows, "logits",
          {"<= longest]": "<= 99]", "    found = {}": SLIDE}),
]
# fmt: on


def holds(check):
    """Run a check on the same examples every time, without looking for the smallest that fails."""

    @settings(
        max_examples=100, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(generation.examples)
    def drawn(example):
        check(example)

    drawn()


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_seeded_fault_is_caught(fault, monkeypatch):
    monkeypatch.setattr(fault.owner, fault.name, fault.wrong())
    with pytest.raises(CAUGHT):
        holds(fault.check)


@pytest.mark.parametrize("check", [pieces, walk, one, batch], ids=lambda check: check.__name__)
def test_the_check_that_catches_a_fault_passes_on_the_true_code(check):
    holds(check)
