"""Ops that a test defines are gone when it ends."""

from collections.abc import Iterator

import pytest

from tinylm.ops import registry


@pytest.fixture(autouse=True)
def ops_of_the_test_only() -> Iterator[None]:
    before = dict(registry._OPS)
    yield
    registry._OPS.clear()
    registry._OPS.update(before)
