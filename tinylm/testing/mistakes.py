"""What goes wrong without any fault of the code that is judged."""

__all__ = ["InputError", "NotInstalledError"]


class InputError(ValueError):
    """An input of a law is not what the law asks about."""


class NotInstalledError(ImportError):
    """What an adapter is for is not installed."""
