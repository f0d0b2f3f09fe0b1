"""The one import of Hypothesis: where it is missing, an error that says what to type."""

try:
    from hypothesis import strategies as st
    from hypothesis.errors import Flaky
except ImportError as problem:
    raise ImportError(
        "inputs are drawn with Hypothesis, which is not installed; type: pip install 'tinylm[course]'"
    ) from problem

__all__ = ["Flaky", "st"]
