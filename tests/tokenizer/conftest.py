"""Every test of the tokenizer runs on both forms, unless it names one itself."""

from collections.abc import Iterator

import pytest

from tokenizer.forms import FORMS, use_form

ONE_FORM = (
    "fast",
    "show",
    "cli",
    "files",
    "published",
    "huggingface",
    "faults",
)  # say which they mean, or have but one


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module once for each form."""
    name = metafunc.module.__name__
    if "form" in metafunc.fixturenames and not any(word in name for word in ONE_FORM):
        metafunc.parametrize("form", FORMS, indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """The form that the tests of this module run on now."""
    name = getattr(request, "param", "fast")
    with use_form(name), pytest.MonkeyPatch.context() as patch:
        if name == "readable":
            patch.setattr("tokenizer.batch.together", iter)  # chunks as they come, so that their ends are tried too
        yield name
