"""Every story of a small grammar with its probability, by rewriting strings; shares no code with tinylm.tales."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

SLOT = re.compile(r"\{([^}]*)\}")


def capitalised(path: str) -> str:
    *before, last = path.split(".")
    return ".".join([*before, last[0].upper() + last[1:]])


def written(text: str, capital: bool) -> str:
    if not capital or not text:
        return text
    first = SLOT.match(text)
    if first:
        return "{" + capitalised(first[1]) + "}" + text[first.end() :]
    return text[0].upper() + text[1:]


def stories(data) -> Iterator[tuple[Fraction, str]]:
    """Every way to make a story, as (probability, text): the leftmost slot is replaced until there is none."""
    unfinished = [(Fraction(1), "{story}", {})]
    while unfinished:
        p, text, memory = unfinished.pop()
        slot = SLOT.search(text)
        if slot is None:
            yield p, text
            continue
        path = slot[1].split(".")
        capital = path[-1][0].isupper()
        symbol, *forms = [*path[:-1], path[-1][0].lower() + path[-1][1:]]
        whole = sum(weight for weight, _ in data[symbol])
        for i, (weight, alternative) in enumerate(data[symbol]):
            if isinstance(alternative, str):
                new, remembered = written(alternative, capital), memory
            elif memory.get(symbol, i) != i:
                continue
            else:
                new, remembered = alternative[forms[0] if forms else "name"], {**memory, symbol: i}
                if forms[1:]:
                    new = "{" + ".".join([new[1:-1], *forms[1:]]) + "}"
                new = written(new, capital)
            share = Fraction(1) if symbol in memory else Fraction(weight, whole)
            unfinished.append((p * share, text[: slot.start()] + new + text[slot.end() :], remembered))


class Facts(NamedTuple):
    """What a grammar's stories are, found by looking at all of them."""

    probabilities: dict[str, Fraction]
    ways: int
    entropy: float
    length: Fraction
    characters: Counter
    pairs: Counter


def facts(data) -> Facts:
    found: dict[str, Fraction] = {}
    ways = 0
    for p, text in stories(data):
        found[text] = found.get(text, Fraction(0)) + p
        ways += 1
    characters, pairs = Counter(), Counter()
    for text, p in found.items():
        for character in text:
            characters[character] += p
        for following, q in found.items():  # the next story, which knows nothing of this one
            pairs[text[-1] + following[0]] += p * q
        for i in range(1, len(text)):
            pairs[text[i - 1 : i + 1]] += p
    entropy = -math.fsum(float(p) * math.log(p) for p in found.values())
    return Facts(found, ways, entropy, sum(len(text) * p for text, p in found.items()), characters, pairs)


SMALL = {
    "one": {"story": [(1, "the only story.")]},
    "three": {"story": [(3, "yes."), (1, "yet."), (4, "no!")]},
    "rules": {
        "story": [(2, "{a}, {a}.\n"), (1, "x{a}\n")],
        "a": [(1, "up"), (2, "down {b}")],
        "b": [(1, "A"), (5, "B")],
    },
    "agreement": {
        "story": [(1, "{hero}: {mood}. {hero.They} slept.\n"), (2, "So {hero.they}.\n")],
        "mood": [(1, "glad"), (1, "{hero.they}")],
        "hero": [(2, {"name": "Ann", "they": "she"}), (1, {"name": "Bob", "they": "he"})],
    },
    "dependence": {
        "story": [(1, "{place.Animal} {place}, {place.animal.it}.\n"), (1, "{place} {place.animal.It}\n")],
        "place": [(1, {"name": "wood", "animal": "{wild}"}), (3, {"name": "farm", "animal": "{tame}"})],
        "wild": [(1, {"name": "a fox", "it": "he"}), (2, {"name": "a bear", "it": "she"})],
        "tame": [(1, {"name": "one hen", "it": "she"}), (1, {"name": "one cow", "it": "it"})],
    },
    "endings": {  # forms side by side, empty forms, stories that end with an entry
        "story": [(1, "{thing}{thing.s} {colour}{colour.ish}{thing}"), (1, "no {colour}{colour}")],
        "thing": [(1, {"name": "egg", "s": ""}), (2, {"name": "ant", "s": "s"})],
        "colour": [(1, {"name": c, "ish": ish}) for c, ish in (("red", "dish"), ("blue", "ish"), ("tan", "!"))],
    },
    "capitals": {"story": [(1, "{Who} ran."), (1, "- {who}!")], "who": [(1, "{name}"), (1, "the {name}")],
                 "name": [(1, "ox"), (3, "émeu")]},
}  # fmt: skip


@st.composite
def grammars(draw, distinct: bool):
    """Random grammars of up to four symbols; distinct: alternatives begin with letters of their own."""
    symbols = ["story", "a", "b", "c"][: draw(st.integers(1, 4))]
    remembered = {symbol for symbol in symbols[1:] if draw(st.booleans())}
    data = {}
    for n, symbol in enumerate(symbols):
        later = [s for other in symbols[n + 1 :] for s in ([other, other + ".it", other.upper()] if other in remembered
                 else [other])]  # fmt: skip
        part = st.sampled_from([*"xy", "xx", *("{" + s + "}" for s in later)])
        texts = st.lists(part, min_size=1 if distinct else 0, max_size=3).map("".join)
        alternatives = []
        for i in range(draw(st.integers(1, 3))):
            begin = "pqr"[i] if distinct else ""
            forms = {form: begin + draw(texts) for form in ("name", "it")}
            weight = draw(st.integers(1, 4))
            alternatives.append((weight, forms if symbol in remembered else forms["name"]))
        data[symbol] = alternatives
    return data
