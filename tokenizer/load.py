"""Reading a tokenizer from one file, of whichever kind it is."""

import os

from tokenizer import formats, huggingface, huggingface_pieces
from tokenizer.char import CharTokenizer
from tokenizer.errors import TokenizerError
from tokenizer.sentencepiece import SentencePieceTokenizer
from tokenizer.tokenizer import Tokenizer

KINDS: dict[str, type[Tokenizer] | type[CharTokenizer] | type[SentencePieceTokenizer]] = {
    "bpe": Tokenizer,
    "char": CharTokenizer,
    "sentencepiece": SentencePieceTokenizer,
}


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer | CharTokenizer | SentencePieceTokenizer:
    """Read what any of our tokenizers saved, a tokenizer.json of Hugging Face, or a .tiktoken file of OpenAI.

    Raises TokenizerError, naming the file, and saying what to type for one that does not hold all that is needed.
    """
    if os.fspath(path).endswith(".tiktoken"):
        return Tokenizer.from_tiktoken(path)
    with formats.naming(path):
        if os.fspath(path).endswith(".model"):
            raise TokenizerError("SentencePiece's own file is not read; give the tokenizer.json of the model")
        document = formats.read_json(path)
        if isinstance(document, dict) and "format" not in document:
            if "model" in document:
                return _of_huggingface(document)
            if document and all(type(i) is int for i in document.values()):
                raise TokenizerError(
                    "looks like GPT-2's vocabulary, which needs its merges; type "
                    'Tokenizer.from_gpt2("vocab.json", "merges.txt"), and .save it'
                )
        formats.check_document(document)
    return KINDS[document["kind"]].load(path)


def read_huggingface_tokenizer(path: str | os.PathLike[str]) -> Tokenizer | SentencePieceTokenizer:
    """Read a tokenizer.json of Hugging Face, of whichever kind it is: bytes (GPT-2, Llama 3, Qwen) or pieces (Llama 2).

    Ids equal those of its encode(text, add_special_tokens=False). Raises TokenizerError, naming the file, for what
    cannot be had here; see from_huggingface of either class.
    """
    with formats.naming(path):
        return _of_huggingface(formats.read_json(path))


def _of_huggingface(document: object) -> Tokenizer | SentencePieceTokenizer:
    if huggingface_pieces.is_pieces(document):
        return SentencePieceTokenizer(huggingface_pieces.parse_pieces(document))
    return Tokenizer(*huggingface.parse_huggingface(document))
