"""Libraries of others, imported when an adapter is made; where one is missing, the error says what to type."""

from importlib import import_module
from typing import Any

from tinylm.testing.mistakes import NotInstalledError

__all__ = ["PACKAGES", "wanted"]

PACKAGES = {
    "autograd": "autograd",
    "jax": "jax",
    "mygrad": "mygrad",
    "rustbpe": "rustbpe",
    "sentencepiece": "sentencepiece",
    "tinygrad": "tinygrad",
    "tokenizers": "tokenizers",
    "torch": "torch",
}
"""What is imported -> what is installed."""


def wanted(module: str) -> Any:
    """The module, imported; raises NotInstalledError, an ImportError, naming the package to install."""
    try:
        return import_module(module)
    except ImportError as problem:
        package = PACKAGES.get(module.split(".")[0], module)
        raise NotInstalledError(
            f"this adapter is for {package}, which is not installed; type: pip install {package}"
        ) from problem
