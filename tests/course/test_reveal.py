"""A prediction beside what came: how far off it was, and never an error for a guess that is missing or odd."""

import numpy as np
import pytest

from tinylm import tensor
from tinylm.course import reveal


@pytest.mark.parametrize(
    ("guess", "actual", "unit", "text", "right"),
    [
        (3, 4, "tokens", "you said 3, it is 4 tokens: 1 too low", False),
        (4, 4, "tokens", "you said 4, and it is 4 tokens: well predicted", True),
        (4, 1, "tokens", "you said 4, it is 1 token: 3 too high", False),
        (..., 4, "tokens", "no prediction yet: it is 4 tokens; next time write your number first", None),
        (None, 0.5, "", "no prediction yet: it is 0.5; next time write your number first", None),
        (..., "ab", "", "no prediction yet: it is 'ab'; next time write your answer first", None),
        (4.6, 4.605, "nats", "you said 4.6, and it is 4.605 nats (0.005 off): well predicted", True),
        (5, 4.5, "nats", "you said 5, it is 4.5 nats: 0.5 too high (11%)", False),
        (100, 101, "", "you said 100, it is 101: 1 too low", False),  # whole numbers are meant exactly
        (np.int64(4), np.float32(4), "", "you said 4, and it is 4: well predicted", True),
        (float("nan"), float("nan"), "", "you said nan, and it is nan: well predicted", True),
        (3, float("inf"), "", "you said 3, it is inf", False),
        ("ab", "ab", "", "you said 'ab', and it is 'ab': well predicted", True),
        ("ab", "ac", "", "you said 'ab', it is 'ac'", False),
        ("ab", b"ab", "", "you said 'ab', it is b'ab'", False),
        (True, False, "", "you said True, it is False", False),
        (1, True, "", "you said 1, it is True", False),
        ([1, 2], [1, 2, 3], "", "you said [1, 2], it is [1, 2, 3]: you have 2 of 3", False),
        ([1, 4], (1, 2), "", "you said [1, 4], it is (1, 2): 1 of 2 agree, the first that does not is at [1]", False),
        (["a"], ["a"], "", "you said ['a'], and it is ['a']: well predicted", True),
        ((2, 3), np.zeros((2, 3)).shape, "", "you said (2, 3), and it is (2, 3): well predicted", True),
        (
            [0, 0], np.array([0, 0.5]), "",
            "you said [0, 0], it is [0. , 0.5]: 1 of 2 agree, the first that does not is at [1], "
            "the greatest difference is 0.5", False,
        ),
        ([0, 0.5], np.array([0, 0.5]), "", "you said [0, 0.5], and it is [0. , 0.5]: well predicted", True),
        ([0], np.array([0, 0.5]), "", "you said [0], it is [0. , 0.5]: your shape is (1,)", False),
        (4, tensor(4.0), "", "you said 4, and it is 4: well predicted", True),
        (tensor([1.0]), tensor([1.0]), "", "you said [1.], and it is [1.]: well predicted", True),
    ],
)  # fmt: skip
def test_what_is_said(guess, actual, unit, text, right):
    seen = reveal(guess, actual, unit)
    assert repr(seen) == text
    assert seen.right is right


class Nasty:
    def __eq__(self, other):
        raise RuntimeError

    def __repr__(self):
        raise RuntimeError

    __hash__ = None


@pytest.mark.parametrize("actual", [4, 0.5, "ab", [1, 2], np.zeros(3), tensor([1.0]), True, None, {"a": 1}])
@pytest.mark.parametrize("guess", [..., None, 3, "x", [], [[1], [2, 3]], object, Nasty(), {"a"}, np.zeros((2, 0)), 1j])
def test_no_guess_raises(guess, actual):
    seen = reveal(guess, actual)
    assert ("no prediction yet" in repr(seen)) == (guess is None or guess is ...)
    assert "it is" in repr(seen)
    assert "it is" in seen._repr_html_()


def test_html_escapes_and_says_the_same():
    page = reveal("<b>", "<i>")._repr_html_()
    assert "you said &#x27;&lt;b&gt;&#x27;, it is &#x27;&lt;i&gt;&#x27;" in page
    assert "<b>'" not in page
