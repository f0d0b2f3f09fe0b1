"""Floor 5: text that is bound to match a regular expression; automata over bytes, which know no model.

From a pattern to a mask, one step in each file: its tree (parse.py), characters as bytes (utf8.py), the automaton that
is in several states at once (nfa.py), the table (automaton.py), the tree of the vocabulary (trie.py), the processor
(processor.py), and pictures of them (showing.py).
"""

from tinylm.constrain.automaton import Automaton
from tinylm.constrain.parse import parse
from tinylm.constrain.processor import Regex
from tinylm.constrain.showing import dot, listing, table

__all__ = ["Automaton", "Regex", "dot", "listing", "parse", "table"]
