"""Models that others trained, read, and ours written for them; nothing is ever unpickled, evaluated or fetched."""

from tinylm.formats.load import load, load_model
from tinylm.formats.model import Loaded

__all__ = ["Loaded", "load", "load_model"]
