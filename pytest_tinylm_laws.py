"""Laws and adapters as fixtures of pytest, for tests of anybody's code.

def test_my_softmax(law_holds):
    law_holds("softmax_sums_to_one", my_softmax)

@pytest.mark.laws("softmax")                       # one test for each law of softmax
def test_my_softmax_obeys(law, law_holds):
    law_holds(law, my_softmax)

def test_my_module(law_holds, law_adapters):
    law_holds("model_sees_no_future", law_adapters.torch_model(module, vocab_size=50, block_size=16))
"""

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["law_adapters", "law_holds"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, also under --strict-markers."""
    config.addinivalue_line(
        "markers", "laws(topic, ...): run the test once for each law of these topics; it gets the law as `law`"
    )


def pytest_generate_tests(metafunc: Any) -> None:
    """Fill the argument `law` of a test that is marked with laws(topic)."""
    marked = [topic for marker in metafunc.definition.iter_markers("laws") for topic in marker.args]
    if marked and "law" in metafunc.fixturenames:
        from tinylm.testing import laws_of

        found = [each for topic in marked for each in laws_of(topic)]
        metafunc.parametrize("law", found, ids=[each.name for each in found])


@pytest.fixture
def law_holds() -> Callable[..., None]:
    """law_holds(law, adapter, tries=100, **inputs): fails with the smallest counterexample where the law does not hold.

    law      a law, or its name.   inputs: strategies or values in place of what the law draws
    Skips the test, visibly, where the adapter lacks what the law asks about.
    """
    from tinylm.testing import LawDoesNotApply, laws, must_hold

    def holds(law: Any, adapter: Any, **how: Any) -> None:
        law = getattr(laws, law) if isinstance(law, str) else law
        try:
            must_hold(law, adapter, **how)
        except LawDoesNotApply as reason:
            pytest.skip(str(reason))

    return holds


@pytest.fixture
def law_adapters() -> Any:
    """The module tinylm.testing.adapters: torch_model, huggingface_coder, value_library, ..."""
    from tinylm.testing import adapters

    return adapters
