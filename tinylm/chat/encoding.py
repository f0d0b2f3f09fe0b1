"""A rendered conversation as token ids: special tokens are read in what the template says, never in what was typed."""

from collections.abc import Iterable, Sequence

from tinylm.checkpoint import AnyTokenizer
from tokenizer.special import split_special

__all__ = ["encode_parts"]

SPECIAL, ORDINARY = True, False


def encode_parts(tokenizer: AnyTokenizer, parts: Iterable[tuple[str, bool]]) -> list[int]:
    """The ids of a text given as pieces, (text, whether it was typed).

    Text between two special tokens is encoded as one, whoever said it, so that where nobody types a special token the
    ids are those of tokenizer.encode(whole text, allowed_special="all"). Raises TokenizerError for text that the
    tokenizer has no ids for.

    >>> from tokenizer import Tokenizer
    >>> tok = Tokenizer.from_merges({byte: bytes([byte]) for byte in range(256)}, [], ["<|x|>"])
    >>> encode_parts(tok, [("<|x|>a", False), ("<|x|>", True)])
    [256, 97, 60, 124, 120, 124, 62]
    """
    names = frozenset(tokenizer.special_tokens)
    ids: list[int] = []
    for number, (text, special) in enumerate(_stretches(parts, names)):
        if special:
            ids.append(tokenizer.special_tokens[text])
        else:
            ids += _ordinary(tokenizer, text, first=number == 0)
    return ids


def _stretches(parts: Iterable[tuple[str, bool]], names: frozenset[str]) -> list[tuple[str, bool]]:
    """(text, whether it is a special token), of which no two that are none stand side by side."""
    found: list[tuple[str, bool]] = []
    for text, was_typed in parts:
        cut: Sequence[tuple[str, bool]] = [(text, ORDINARY)] if was_typed else list(split_special(text, names))
        for stretch, special in cut:
            if found and not special and not found[-1][1]:
                found[-1] = (found[-1][0] + stretch, ORDINARY)
            elif stretch:
                found.append((stretch, special))
    return found


def _ordinary(tokenizer: AnyTokenizer, text: str, *, first: bool) -> list[int]:
    """The ids of a text without special tokens; `first`: nothing stands before it.

    A SentencePiece tokenizer may put a space before the beginning of a text, and nowhere else. So any other stretch is
    encoded behind a special token that does not occur in it, and that is taken away again.
    """
    before = None if first else next((name for name in tokenizer.special_tokens if name not in text), None)
    if before is None:
        return tokenizer.encode(text, disallowed_special=())
    return tokenizer.encode(before + text, allowed_special={before}, disallowed_special=())[1:]
