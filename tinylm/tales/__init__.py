"""Endless simple stories from a probabilistic grammar, and their exact entropy; knows no tokens and no models."""

from tinylm.tales.english import ENGLISH
from tinylm.tales.follow import NotATale
from tinylm.tales.grammar import GrammarData, GrammarError
from tinylm.tales.stories import Floor, Tales, tales

__all__ = ["ENGLISH", "Floor", "GrammarData", "GrammarError", "NotATale", "Tales", "tales"]
