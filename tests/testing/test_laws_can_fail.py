"""Every law holds for right code and breaks for wrong code of each kind, with a small counterexample that says why."""

import pytest

from tinylm.testing import LawBroken, check_law, laws_of, must_hold

from . import wrong_numbers, wrong_tokens

RIGHT = wrong_numbers.RIGHT | wrong_tokens.RIGHT
WRONG = wrong_numbers.WRONG | wrong_tokens.WRONG
CASES = [(law, what) for law in laws_of() for what in WRONG.get(law.name, {})]


def test_every_law_has_wrong_code_to_break_it():
    assert {law.name for law in laws_of()} == set(WRONG)
    assert {law.topic for law in laws_of()} == set(RIGHT)


@pytest.mark.parametrize("law", laws_of(), ids=lambda law: law.name)
def test_right_code_obeys(law):
    if law.name == "workers_do_not_matter":
        must_hold(law, RIGHT[law.topic], tries=3)  # processes are slow to start
    else:
        must_hold(law, RIGHT[law.topic], tries=30)


@pytest.mark.parametrize(("law", "what"), CASES, ids=lambda case: getattr(case, "name", case))
def test_wrong_code_breaks_the_law(law, what):
    wrong = WRONG[law.name][what]
    tried = check_law(law, wrong)
    assert not tried.held
    if "seed is forgotten" not in what and "remembers" not in what and "each time" not in what and "dice" not in what:
        with pytest.raises(LawBroken) as caught:
            law(wrong, **tried.smallest)
        said = str(caught.value)
        assert said.startswith(f"{law.name} does not hold: {law.sentence}")
        assert all(f"{name}=" in said for name in tried.smallest)
        assert tried.reason.removeprefix("AssertionError: ").splitlines()[0] in said
