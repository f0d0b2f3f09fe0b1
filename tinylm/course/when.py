"""When an answer goes wrong: what holds of exactly the inputs that do; or of all of them, and of few others.

Such a sentence is about the inputs that were tried, and says how many these are. It is not said where a further call
refutes it: one that was made in looking for a small failing call, or one that is made to this end.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tinylm.course.cases import order, text
from tinylm.course.exercise import Case
from tinylm.course.expect import names_of
from tinylm.course.facts import facts_of, replaced
from tinylm.course.outcome import Outcome
from tinylm.course.problem import Problem

__all__ = ["Ask", "Trial", "Tried"]

Tried = tuple[Case, Outcome, Outcome, bool]  # the input, expected, got, whether that is wrong
Ask = Callable[[Case], Tried | None]  # one call more; None where it says nothing
Bad = Callable[[Tried], bool | None]  # whether that is what a sentence is about; None where it is not asked of this one

EACH = 3  # inputs that go well, and that go wrong, before it is said when which comes
ONLY = 5  # inputs that go wrong, all where something holds that is seldom so of the ones that go well:
SELDOM = 0.3  # by chance that is so in 0.3 ** 5, one in four hundred
RARE = 1e-4  # as likely it is by chance that an answer goes well wherever a thing holds, before that is said
PROBES = 60  # calls in all to refute sentences: at most 5 for each of 6 inputs and sentence
FROM = 3  # inputs that go well, and that go wrong, of which these are made
# Of such things there are many: that one holds of all inputs that go wrong, and of others, is no reason to say so.
COMMON = ("a 0", "nothing but 0", "equal", "empty", "twice in a row", "more than one item", "longer than one letter")


@dataclass
class Trial:
    """All calls of an answer that there are, and more where they are asked for."""

    problem: Problem
    tried: Sequence[Tried]  # drawn
    more: Sequence[Tried] = ()  # of whatever origin: nothing is said that does not hold of them, too
    ask: Ask = lambda each: None
    asked: dict[str, Tried | None] = field(default_factory=dict)

    def when(self, bad: Bad, what: str, those: str = "the") -> str:
        """A sentence that begins with `what`, on the inputs of which `bad` is true; "" where there is none to say."""
        facts = [(self._facts(each[0]), is_bad, each[0]) for each in self.tried if (is_bad := bad(each)) is not None]
        wrong = [says for says, is_bad, _ in facts if is_bad]
        well = [says for says, is_bad, _ in facts if not is_bad]
        if len(wrong) < EACH or len(well) < EACH:
            return ""
        known = {says: name for each, _, _ in facts for says, name in each.items()}
        shown = f"as far as {those} {len(facts)} inputs show"
        for sentence, says, fits in _claims(known, wrong, well, shown):
            if self._holds(bad, known[says], says, fits):
                return f"{what} {sentence}"
        if self._grows(bad):
            return f"{what} on all but the smallest inputs, {shown}."
        return ""

    def _facts(self, each: Case) -> dict[str, str]:
        return facts_of(each, names_of(self.problem, each))

    def _grows(self, bad: Bad) -> bool:
        """Whether all that go well are smaller than all that go wrong."""
        sizes = [(each[0].size, bad(each)) for each in (*self.tried, *self.more)]
        return max(size for size, is_bad in sizes if is_bad is False) < min(size for size, is_bad in sizes if is_bad)

    def _holds(self, bad: Bad, name: str, says: str, fits: Callable[[bool, bool], bool]) -> bool:
        """Whether no call refutes a sentence."""

        def refuted(one: Tried) -> bool:
            is_bad = bad(one)
            return is_bad is not None and not fits(says in self._facts(one[0]), is_bad)

        if any(refuted(one) for one in self.more):
            return False
        for each in self._probes(bad, name):
            if (key := text(each)) not in self.asked:
                if len(self.asked) == PROBES:
                    return False
                self.asked[key] = self.ask(each)
            one = self.asked[key]
            if one is not None and refuted(one):
                return False
        return True

    def _probes(self, bad: Bad, name: str) -> Iterator[Case]:
        """The smallest inputs that go wrong, and that go well, with other values for one argument."""
        for wanted in (True, False):
            some = sorted((each[0] for each in self.tried if bad(each) is wanted), key=order)
            several = [
                each for each in some if name in (*names_of(self.problem, each)[: len(each.args)], *each.settings)
            ]
            for each in (*several[: FROM - 1], *several[FROM - 1 :][-1:]):
                yield from replaced(each, names_of(self.problem, each), name)


def _claims(
    known: dict[str, str], wrong: list[dict[str, str]], well: list[dict[str, str]], shown: str
) -> Iterator[tuple[str, str, Callable[[bool, bool], bool]]]:
    """(the rest of a sentence, the fact in it, whether the fact and going wrong fit it), the surest sentence first."""
    for says in known:
        if all(says in each for each in wrong) and not any(says in each for each in well):
            yield f"exactly where {says}, {shown}.", says, lambda holds, bad: holds == bad
    for says in known:
        if all(says in each for each in well) and not any(says in each for each in wrong):
            yield f"everywhere but where {says}, {shown}.", says, lambda holds, bad: holds != bad
    telling = [says for says in known if not any(word in says for word in COMMON)]
    for says in telling:
        seldom = sum(says in each for each in well) <= SELDOM * len(well)
        if seldom and len(wrong) >= ONLY and all(says in each for each in wrong):
            yield f"only where {says}, {shown}.", says, lambda holds, bad: holds or not bad
    for says in telling:
        good = sum(says in each for each in well)
        if (len(well) / (len(well) + len(wrong))) ** good < RARE and not any(says in each for each in wrong):
            yield f"on none of the {good} inputs where {says}.", says, lambda holds, bad: not (holds and bad)
