"""Variants: the same for ever, spread evenly, each setting alone; the oracle builds the keyed hash by hand."""

import hashlib
import json
from collections import Counter

import pytest

from tinylm.course.problem import Problem
from tinylm.course.variants import variant_of, variants_of


def problem(name="norm", **variants):
    return Problem(name, len, topic="t", level=1, minutes=1, inputs=lambda: None, faults=(), variants=variants)


def by_hand(secret, *about):
    """HMAC-SHA256 as RFC 2104 writes it down, as a whole number."""
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + json.dumps([*about, 0], separators=(",", ":")).encode())
    return int(hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner.digest()).hexdigest(), 16)


@pytest.mark.parametrize("student", ["ada", "s1234567", "Zoë", "名", 'a"b\\c'])
def test_a_variant_is_the_keyed_hash_of_who_and_what(student):
    options = tuple(range(7))
    picked = variant_of(problem(eps=options, base=options), student, "secret")
    assert picked == {name: by_hand("secret", student, "norm", name) % 7 for name in ("eps", "base")}


def test_variants_of_a_year_ago_still_hold():
    options = ("a", "b", "c", "d", "e")
    picked = [variant_of(problem(rule=options), student, "2027")["rule"] for student in ("ada", "bob", "eve", "Zoë")]
    assert picked == ["b", "a", "e", "b"]


def test_every_option_is_as_likely():
    options = (1e-5, 1e-3, 1e-2)
    counts = Counter(variant_of(problem(eps=options), f"student {i}", "s")["eps"] for i in range(3000))
    # 1000 each; a standard deviation is √(3000 · ⅓ · ⅔) = 25.8, and 5 of them are missed once in a million
    assert all(abs(counts[option] - 1000) < 5 * 25.8 for option in options)


def test_a_setting_is_picked_alone():
    both = variant_of(problem(eps=(1, 2, 3), base=(4, 5, 6)), "ada", "s")
    assert variant_of(problem(base=(4, 5, 6)), "ada", "s") == {"base": both["base"]}
    one, other = problem("one", eps=tuple(range(99))), problem("other", eps=tuple(range(99)))
    there, back = variants_of([one, other], "ada", "s"), variants_of([other, one], "ada", "s")
    assert there == back
    assert there["one"] != there["other"]


def test_settings_of_a_pair_of_students_are_independent():
    options = (0, 1)
    pairs = Counter(
        tuple(variant_of(problem(name, eps=options), f"{i}", "s")["eps"] for name in ("one", "other"))
        for i in range(2000)
    )
    # 500 of each of four kinds; a standard deviation is √(2000 · ¼ · ¾) = 19.4
    assert all(abs(pairs[kind] - 500) < 5 * 19.4 for kind in [(0, 0), (0, 1), (1, 0), (1, 1)])


def test_another_secret_gives_other_variants():
    options = tuple(range(1000))
    assert variant_of(problem(eps=options), "ada", "s") != variant_of(problem(eps=options), "ada", "t")


def test_how_an_id_is_typed_does_not_matter():
    options = tuple(range(1000))
    assert variant_of(problem(eps=options), " Zoe\u0308\n", "s") == variant_of(problem(eps=options), "Zo\u00eb", "s")


def test_a_digest_above_the_last_whole_multiple_is_drawn_again(monkeypatch):
    import hmac

    digests = [b"\xff" * 32, (5).to_bytes(32, "big")]
    monkeypatch.setattr(hmac, "digest", lambda key, message, kind: digests[json.loads(message)[-1]])
    assert variant_of(problem(eps=(0, 1, 2)), "ada", "s") == {"eps": 5 % 3}  # 2²⁵⁶ − 1 is a multiple of 3, and too many


@pytest.mark.parametrize(("student", "secret"), [("", "s"), ("  ", "s"), ("ada", "")])
def test_nobody_and_no_secret_are_refused(student, secret):
    with pytest.raises(ValueError, match="a variant is of a student and a secret"):
        variant_of(problem(eps=(1, 2)), student, secret)


def test_a_problem_without_variants_has_none():
    assert variant_of(problem(), "ada", "s") == {}
    assert variants_of([problem()], "ada", "s") == {}
