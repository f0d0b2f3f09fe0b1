"""The one error of this package: what was expected, what came, and what to type instead."""

from collections.abc import Iterator
from contextlib import contextmanager


class TokenizerError(ValueError):
    """Bad input: a text, a file, a setting or a vocabulary that cannot be used; its message is one line."""


class SpecialTokenError(TokenizerError):
    """A special token that was not allowed stands in a text: `token`, at character `position`."""

    def __init__(self, token: str, position: int) -> None:
        self.token, self.position = token, position
        super().__init__(token, position)

    def __str__(self) -> str:
        return (
            f"encode: the text holds the special token {self.token!r} at character {self.position}; "
            f"to encode it as one token pass allowed_special={{{self.token!r}}}, "
            "to encode it as ordinary text pass disallowed_special=()"
        )


class OutOfPairsError(TokenizerError):
    """A corpus with fewer merges in it than asked for; `vocab_size` is what it can give."""

    def __init__(self, message: str, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (str(self), self.vocab_size)


@contextmanager
def briefly(before: str = "") -> Iterator[None]:
    """Put something before the message of a TokenizerError raised inside, and keep it to a line or two."""
    try:
        yield
    except TokenizerError as error:
        message = str(error)
        if len(message) > 600:  # a file may hold tokens of a megabyte
            message = f"{message[:300]} ... {message[-300:]}"
        raise TokenizerError(f"{before}{message}") from None


def check_text(text: object, where: str) -> str:
    """Give `text` back if it is a string that UTF-8 can write, and say where it is not.

    Raises TokenizerError for anything but a str, and for lone surrogates: half a UTF-16 pair is no
    character, has no bytes, and so could not come back from its tokens.

    >>> check_text("a\\ud800", "encode")
    Traceback (most recent call last):
    ...
    tokenizer.errors.TokenizerError: encode: a lone surrogate U+D800 at character 1; write it as \
text.encode("utf-8", "surrogatepass") and use encode_bytes, or replace it
    """
    checked = check_str(text, where)
    try:
        checked.encode()
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"{where}: a lone surrogate U+{ord(checked[error.start]):04X} at character {error.start}; "
            'write it as text.encode("utf-8", "surrogatepass") and use encode_bytes, or replace it'
        ) from None
    return checked


def check_str(text: object, where: str) -> str:
    """Give `text` back if it is a string, and raise TokenizerError for anything else."""
    if not isinstance(text, str):
        hint = "; decode it, or use encode_bytes" if isinstance(text, bytes) else ""
        raise TokenizerError(f"{where}: expected a str, got {type(text).__name__}{hint}")
    return text
