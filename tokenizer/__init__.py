"""Byte-level BPE from scratch: train it, encode, decode, and watch it merge.

>>> from tokenizer import train_bpe
>>> tok = train_bpe(["hello hello hello world"], vocab_size=261)
>>> tok.encode("hello")
[259]
>>> tok.decode([259])
'hello'
"""

from tokenizer.build import merges, train_bpe
from tokenizer.char import CharTokenizer
from tokenizer.encode import StreamDecoder
from tokenizer.errors import OutOfPairsError, TokenizerError
from tokenizer.explain import Explanation, explain
from tokenizer.forms import use_form
from tokenizer.load import load_tokenizer, read_huggingface_tokenizer
from tokenizer.patterns import PATTERNS
from tokenizer.replay import explain_training, replay
from tokenizer.sentencepiece import SentencePieceTokenizer
from tokenizer.tokenizer import Tokenizer
from tokenizer.train import Merge

__all__ = [
    "PATTERNS",
    "CharTokenizer",
    "Explanation",
    "Merge",
    "OutOfPairsError",
    "SentencePieceTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "TokenizerError",
    "explain",
    "explain_training",
    "load_tokenizer",
    "merges",
    "read_huggingface_tokenizer",
    "replay",
    "train_bpe",
    "use_form",
]
