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
    markers = list(metafunc.definition.iter_markers("laws"))
    for marker in markers:
        if marker.kwargs or not marker.args or not all(isinstance(topic, str) for topic in marker.args):
            given = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
            wanted = "name the topics, one after the other, as in @pytest.mark.laws('softmax')"
            pytest.fail(f"{metafunc.definition.nodeid}: @pytest.mark.laws({', '.join(given)}): {wanted}", pytrace=False)
    if markers and "law" in metafunc.fixturenames:
        from tinylm.testing import laws_of

        topics = dict.fromkeys(topic for marker in markers for topic in marker.args)
        try:
            found = [each for topic in topics for each in laws_of(topic)]
        except ValueError as error:
            unknown = str(error)
        else:
            unknown = ""
        if unknown:  # out here, so that it is not shown twice
            pytest.fail(f"{metafunc.definition.nodeid}: @pytest.mark.laws: {unknown}", pytrace=False)
        metafunc.parametrize("law", found, ids=[each.name for each in found])


@pytest.fixture
def law_holds() -> Callable[..., None]:
    """law_holds(law, adapter, tries=100, **inputs): fails with the smallest counterexample where the law does not hold.

    law      a law, or its name.   inputs: strategies or values in place of what the law draws
    Skips the test, visibly, where the adapter lacks what the law asks about.
    """
    from tinylm.testing import Law, LawDoesNotApply, law_named, must_hold

    def holds(law: Any, adapter: Any, **how: Any) -> None:
        law = law_named(law) if isinstance(law, str) else law
        if not isinstance(law, Law):
            raise TypeError(f"law_holds: the first argument is a law or its name, got {law!r}")
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
