"""Floor 8: the command line; parses, calls, prints, and turns bad input into one line and exit status 2."""

from tinylm.cli.main import main

__all__ = ["main"]
