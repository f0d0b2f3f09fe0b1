"""Whether a text tells how it was made: the check that makes the entropy of a grammar the entropy of its texts.

At every choice, no text that one alternative can write may be the beginning of a text that another one can write.
Then no story has two derivations, and no story is the beginning of another. Proof: take two derivations whose texts
are equal, or one the beginning of the other, and their first choice that differs, up to which both have written the
same. There one goes on with a text u, the other with a text v, of different alternatives; both u and v stand at the
same place of the longer text, so the shorter one is the beginning of the other, which is excluded. Hence a text of
stories laid end to end can be read in one way only (a prefix code, Cover & Thomas 2006, sec. 5.1).

The check forgets what is remembered: every mention may write any entry. That gives each alternative more texts than
it has, so what passes is right, and a grammar may be refused that a cleverer reader could have told apart.
"""

from collections.abc import Iterable

from tinylm.tales.grammar import Grammar, GrammarError, Slot, Text

__all__ = ["check_unique", "shared_beginning"]


def check_unique(grammar: Grammar, choices: Iterable[Slot]) -> None:
    """Raise GrammarError where two alternatives of one of these choices write a text that begins alike."""
    for slot in choices:
        options = [option.rest for option in grammar.options((slot,), {})]
        for i, one in enumerate(options):
            for j, other in enumerate(options[:i]):
                common = shared_beginning(grammar, one, other)
                if common is not None:
                    raise GrammarError(
                        f"ambiguous: at {slot}, alternatives {j} and {i} of {slot.symbol!r} can both write {common!r}, "
                        f"and one of them is finished there, so a text does not tell which was chosen; let neither "
                        f"be the beginning of the other (put what follows into the alternatives, or reword one)"
                    )


def shared_beginning(grammar: Grammar, one: Text, other: Text) -> str | None:
    """A text that one of the two can write whole and with which a text of the other begins; None: there is none."""
    unseen, seen = [(one, other, "")], set()
    while unseen:
        one, other, common = unseen.pop()
        if (one, other) in seen:
            continue
        seen.add((one, other))
        if not one or not other:
            return common
        for first, second in ((one, other), (other, one)):
            if isinstance(first[0], Slot):
                unseen += [(option.rest, second, common) for option in grammar.options(first, {})]
                break
        else:
            a, b = str(one[0]), str(other[0])
            n = min(len(a), len(b))
            if a[:n] == b[:n]:
                cut = [(text[n:], *rest) if len(text) > n else rest for text, rest in ((a, one[1:]), (b, other[1:]))]
                unseen.append((cut[0], cut[1], common + a[:n]))
    return None
