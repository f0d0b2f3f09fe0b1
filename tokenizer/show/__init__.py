"""Drawing what the tokenizer did, for terminals and for pages; returns strings and prints nothing.

Explanation (explain.py) and TrainingExplanation (replay.py) are drawn here: terminal.py, page.py.
"""

from tokenizer.show.characters import display_width, label, visible
from tokenizer.show.page import whole_page
from tokenizer.show.terminal import merge_table

__all__ = ["display_width", "label", "merge_table", "visible", "whole_page"]
