"""The devices on which the ladder stands: CuPy's tests are skipped, visibly, where there is no GPU."""

import pytest

from tinylm.backend import available


@pytest.fixture(
    scope="module", params=["numpy", "strict", pytest.param("cupy", marks=pytest.mark.gpu)]
)  # not by function: Hypothesis runs many examples in one
def device(request):
    """The name of a device; the test is skipped where it cannot be used."""
    reason = available(request.param)
    if reason is not None:
        pytest.skip(reason)
    return request.param
