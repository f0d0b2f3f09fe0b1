"""What every test shares: Hypothesis profiles, devices, and where the real texts lie."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tinylm.backend import available

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real texts; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real texts of {SHARED_DATA.name}/, which are not part of the project")
    return SHARED_DATA


@pytest.fixture
def torch_installed() -> None:
    """PyTorch is there for a process that the test starts; a broken one is not skipped, it fails there."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")


@pytest.fixture(
    scope="module", params=["numpy", "strict", pytest.param("cupy", marks=pytest.mark.gpu)]
)  # not by function: Hypothesis runs many examples in one
def device(request):
    """The name of a device; CuPy's tests are skipped, visibly, where there is no GPU."""
    reason = available(request.param)
    if reason is not None:
        assert request.param == "cupy", reason  # the others are there on every machine, or something is broken
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def browser():
    """One Chromium of the system for a module's tests; one that is there and does not start is no skip, it fails."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install 'tinylm[browser]'")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()
