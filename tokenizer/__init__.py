"""Byte-level BPE from scratch: train it, encode, decode, and watch it merge.

>>> from tokenizer import train_bpe
>>> tok = train_bpe(["hello hello hello world"], vocab_size=261)
>>> tok.encode("hello")
[259]
>>> tok.decode([259])
'hello'
"""

from tokenizer.build import train_bpe
from tokenizer.char import CharTokenizer
from tokenizer.encode import StreamDecoder
from tokenizer.errors import OutOfPairsError, TokenizerError
from tokenizer.load import load_tokenizer
from tokenizer.patterns import PATTERNS
from tokenizer.tokenizer import Tokenizer
from tokenizer.train import Merge, merges

__all__ = [
    "PATTERNS",
    "CharTokenizer",
    "Merge",
    "OutOfPairsError",
    "StreamDecoder",
    "Tokenizer",
    "TokenizerError",
    "load_tokenizer",
    "merges",
    "train_bpe",
]
