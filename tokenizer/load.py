"""Reading a tokenizer file of either kind."""

import os

from tokenizer import formats
from tokenizer.char import CharTokenizer
from tokenizer.tokenizer import Tokenizer


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer | CharTokenizer:
    """Read what a Tokenizer or a CharTokenizer saved; raises TokenizerError, naming the file."""
    if formats.read_document(path)["kind"] == "char":
        return CharTokenizer.load(path)
    return Tokenizer.load(path)
