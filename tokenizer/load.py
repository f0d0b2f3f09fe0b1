"""Reading a tokenizer from one file, of whichever kind it is."""

import os

from tokenizer import formats, huggingface
from tokenizer.char import CharTokenizer
from tokenizer.errors import TokenizerError
from tokenizer.tokenizer import Tokenizer


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer | CharTokenizer:
    """Read what a Tokenizer or a CharTokenizer saved, a tokenizer.json of Hugging Face, or a .tiktoken file of OpenAI.

    Raises TokenizerError, naming the file, and saying what to type for one that does not hold all that is needed.
    """
    if os.fspath(path).endswith(".tiktoken"):
        return Tokenizer.from_tiktoken(path)
    with formats.naming(path):
        document = formats.read_json(path)
        if isinstance(document, dict) and "format" not in document:
            if "model" in document:
                return Tokenizer(*huggingface.parse_huggingface(document))
            if document and all(type(i) is int for i in document.values()):
                raise TokenizerError(
                    "looks like GPT-2's vocabulary, which needs its merges; type "
                    'Tokenizer.from_gpt2("vocab.json", "merges.txt"), and .save it'
                )
        formats.check_document(document)
    return CharTokenizer.load(path) if document["kind"] == "char" else Tokenizer.load(path)
