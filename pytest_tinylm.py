"""`pytest --solution my_work.py`: each exercise in a student's file is a test. What pytest always loads.

It lies beside the packages, not in one, and imports nothing of them: pytest loads plugins in every run on a machine
that has tinylm, and a module inside of the package would bring NumPy and all of tinylm along.
"""

from typing import Any

import pytest

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tinylm")
    group.addoption(
        "--solution",
        metavar="FILE",
        default=None,
        help="a student's file: each exercise in it becomes a test, beside the tests that are named",
    )
    group.addoption(
        "--solution-variant",
        metavar="ID",
        default=None,
        help="the student whose variant of the exercises is asked for; the secret stands in TINYLM_SECRET",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Where only the student's file is to be tested, no conftest.py counts: it might be the student's."""
    known: Any = early_config.known_args_namespace
    if known.solution is not None and not known.file_or_dir:
        known.noconftest = True


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("solution") is not None:
        from tinylm.course import plugin

        config.pluginmanager.register(plugin, "tinylm-solution")
