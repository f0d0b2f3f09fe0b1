"""Hugging Face's tokenizer.json for byte-level BPE: read and written as parts; runs nothing of theirs.

Taken over is what changes the ids of `encode(text, add_special_tokens=False)`; what would change them in a way
that is not built here is refused by name. Not taken over are the settings of a call (truncation, padding) and
the post-processor: a beginning-of-text token that it would add is for the caller to add.
"""

import json
import os
import unicodedata
from collections.abc import Mapping
from typing import Any

from tokenizer.alphabet import CHAR_TO_BYTE, from_printable, to_printable
from tokenizer.errors import TokenizerError
from tokenizer.formats import Document, Parts, field, naming, parse_merges, parse_vocab, read_json
from tokenizer.normal import FORMS, NormalForm
from tokenizer.onig import portable
from tokenizer.patterns import NAME_LIKE, PATTERNS, SPELLINGS

BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
BYTES_AND_GPT2 = {**BYTES_ONLY, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}

# Oniguruma, which runs these regexes there, reads {1,3}+ as ({1,3})+ and $ as the end of a line. So GPT-4's pattern is
# written as Llama 3's, which lacks only the alternative for the end of the text: where no character follows.
GPT4_THERE = PATTERNS["llama3"].replace(r"|\s*[\r\n]+", r"|\s+(?![\s\S])|\s*[\r\n]+")

MAX_COMPARED = 10_000_000  # steps; a few seconds

TOTAL = {expression: name for name, expression in PATTERNS.items()} | SPELLINGS | {GPT4_THERE: "gpt4"}
"""Regexes, as they stand in files, that leave no character out -> the name of the pattern."""
del TOTAL[PATTERNS["gpt4"]]  # which means something else there


def read_huggingface(path: str | os.PathLike[str], ignore_normalizer: bool = False) -> Parts:
    """The parts of a tokenizer.json; raises TokenizerError, naming the file and what in it cannot be had."""
    with naming(path):
        return parse_huggingface(read_json(path), ignore_normalizer)


def parse_huggingface(document: object, ignore_normalizer: bool = False) -> Parts:
    """The parts of the document in a tokenizer.json."""
    if not isinstance(document, dict) or "model" not in document:
        raise TokenizerError('not a tokenizer.json of Hugging Face: it lacks "model"')
    forms = normal_forms(document.get("normalizer"))
    if len(forms) > 1 and not ignore_normalizer:
        raise TokenizerError(
            f"its normalizers {' + '.join(forms)} put text in several forms, one after the other; one can be had here"
        )
    pattern = read_pattern(document.get("pre_tokenizer"))
    for step in flat(document.get("decoder"), "decoders"):
        if step.get("type") != "ByteLevel":
            raise TokenizerError(f"expected the decoder ByteLevel, got {step.get('type')!r}: not a byte-level BPE")
    model = field(document, "model", dict)
    check_model(model)
    vocab = field(model, "vocab", dict)
    added = added_tokens(document, vocab, forms, ignore_normalizer)
    merges = [" ".join(merge) if is_pair(merge) else merge for merge in field(model, "merges", list)]
    ordinary = parse_vocab({token: i for token, i in vocab.items() if token not in added})
    return Parts(
        ordinary,
        parse_merges(merges),
        added,
        pattern,
        ignore_merges=field(model, "ignore_merges", bool) if model.get("ignore_merges") is not None else False,
        normal_form=forms[0] if forms and not ignore_normalizer else None,
        partial=lacks_bytes(ordinary),
    )


def lacks_bytes(vocab: Mapping[int, bytes]) -> bool:
    """Whether some of the 256 bytes have no token, in a vocabulary that has any: a text may then need one."""
    return bool(vocab) and not {bytes([byte]) for byte in range(256)} <= set(vocab.values())


def flat(step: object, within: str) -> list[Document]:
    """The steps of a normalizer, pre-tokenizer or decoder: none for null, those of a Sequence one by one."""
    if step is None:
        return []
    if not isinstance(step, dict):
        raise TokenizerError(f"{within}: expected an object or null, got {type(step).__name__}")
    if step.get("type") != "Sequence":
        return [step]
    return [each for inner in field(step, within, list) for each in flat(inner, within)]


def normal_forms(normalizer: object) -> list[NormalForm]:
    """The Unicode normal forms that a normalizer puts text in; raises TokenizerError for any other change."""
    forms: dict[object, NormalForm] = {form: form for form in FORMS}
    kinds = [str(step.get("type")) for step in flat(normalizer, "normalizers")]
    for kind in kinds:
        if kind not in forms:
            pieces = kind in ("Prepend", "Replace")
            hint = (
                "; if it writes spaces as U+2581, type SentencePieceTokenizer.from_huggingface(path)" if pieces else ""
            )
            raise TokenizerError(f"its normalizer {kind} changes text before encoding; that is not built here{hint}")
    return [forms[kind] for kind in kinds]


def read_pattern(pre_tokenizer: object) -> str:
    """The name or regex of the pattern that cuts text as a pre-tokenizer does."""
    steps = flat(pre_tokenizer, "pretokenizers")
    kinds = [str(step.get("type")) for step in steps]
    if not kinds or kinds[-1] != "ByteLevel":
        raise TokenizerError(f"pre_tokenizer: expected one that ends in ByteLevel, got {' + '.join(kinds) or None}")
    if field(steps[-1], "add_prefix_space", bool):
        raise TokenizerError(
            "pre_tokenizer: add_prefix_space puts a space before the text, and decoding could not tell; write false "
            "there, and put the space before your texts yourself"
        )
    splits_too = field(steps[-1], "use_regex", bool) if "use_regex" in steps[-1] else True
    if kinds == ["ByteLevel"] and splits_too:
        return "gpt2"
    if kinds == ["Digits", "ByteLevel"] and splits_too and steps[0].get("individual_digits") is True:
        return "smollm2"
    if kinds == ["Split", "ByteLevel"] and not splits_too:
        return read_split(steps[0])
    raise TokenizerError(
        f"pre_tokenizer: {' + '.join(kinds)} (use_regex: {str(splits_too).lower()}) is none that can be had here: "
        "ByteLevel, Digits (individual) + ByteLevel, or Split (Isolated) + ByteLevel (use_regex: false)"
    )


def read_split(step: Document) -> str:
    """The name or regex of a Split."""
    expression = field(field(step, "pattern", dict), "Regex", str)
    how = step.get("behavior"), step.get("invert", False)
    name = TOTAL.get(expression)
    if name and how in (("Isolated", False), ("Removed", True)):  # nothing lies between the matches
        return name
    if how != ("Isolated", False):
        raise TokenizerError(f"pre_tokenizer: a Split must be Isolated and not inverted, got {how[0]!r}, {how[1]!r}")
    portable(expression, "pre_tokenizer")
    return f"(?:{expression})" if NAME_LIKE.fullmatch(expression) else expression  # not to be taken for a name


def check_model(model: Document) -> None:
    """Raise TokenizerError for a model that is no BPE, or has a setting that changes ids.

    unk_token, fuse_unk and byte_fallback do not: they speak of bytes that have no token, and here all have one.
    """
    if model.get("type", "BPE") != "BPE":
        raise TokenizerError(f'"model": expected the type BPE, got {model["type"]!r}')
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name) not in (None, "", 0.0):
            raise TokenizerError(f'"model": "{name}" is {model[name]!r}, which changes ids; only null can be had here')


def is_pair(merge: object) -> bool:
    """Whether this is a merge in the newer spelling, a list of two tokens (which hold no spaces)."""
    return isinstance(merge, list) and len(merge) == 2 and all(isinstance(p, str) and " " not in p for p in merge)


def added_tokens(
    document: Document, vocab: Mapping[str, Any], forms: list[NormalForm], ignore_normalizer: bool
) -> dict[str, int]:
    """Content -> id of the added tokens. Those that are not "special" count as special too: both are always found.

    Raises TokenizerError for flags that change ids, and for an id that Hugging Face would not give.
    """
    added: dict[str, int] = {}
    entries = field(document, "added_tokens", list) if document.get("added_tokens") is not None else []
    normalized: dict[str, bool] = {}
    greatest = -1
    for entry in entries:
        if not isinstance(entry, dict):
            raise TokenizerError(f'"added_tokens": expected objects, got {type(entry).__name__}')
        content, i = field(entry, "content", str), field(entry, "id", int)
        for flag in ("lstrip", "rstrip", "single_word"):
            if entry.get(flag, False) is not False:
                raise TokenizerError(f'"added_tokens": {content!r} has "{flag}", which changes ids; false can be had')
        if content in added:
            raise TokenizerError(f'"added_tokens": {content!r} stands twice')
        there = vocab.get(content, max(len(vocab), greatest + 1))
        if i != there:
            raise TokenizerError(f'"added_tokens": {content!r} says id {i}, but Hugging Face would give it {there!r}')
        added[content] = i
        greatest = max(greatest, i)
        normalized[content] = entry.get("normalized") is True
    check_normalized(normalized, forms, ignore_normalizer)
    return added


def check_normalized(normalized: Mapping[str, bool], forms: list[NormalForm], ignore_normalizer: bool) -> None:
    """Tokens that are "normalized" are looked for after the others, in text in normal form: does that change ids?"""
    late = [content for content, after in normalized.items() if after]
    early = [content for content, after in normalized.items() if not after]
    if len("".join(late)) * len("".join(early)) > MAX_COMPARED:
        raise TokenizerError(
            '"added_tokens": too many of them, some "normalized" and some not, to see whether they overlap'
        )
    for content in late:
        if forms and not ignore_normalizer:
            raise TokenizerError(
                f'"added_tokens": {content!r} is "normalized": looked for in text in {forms[0]}, and here in text as '
                "it is; if your text is in that form, type Tokenizer.from_huggingface(path, ignore_normalizer=True)"
            )
        if any(unicodedata.normalize(form, content) != content for form in forms):
            raise TokenizerError(f'"added_tokens": {content!r} is "normalized" by {forms[0]} to another text')
        for other in early:
            if overlap(content, other):
                raise TokenizerError(
                    f'"added_tokens": {content!r} and {other!r} can overlap in text, and only one is "normalized"'
                )


def overlap(a: str, b: str) -> bool:
    """Whether an occurrence of one string can overlap one of the other.

    >>> overlap("<|x|>", "|>y"), overlap("<|x|>", "<|y|>")
    (True, False)
    """
    if a in b or b in a:
        return True
    return any(a[-n:] == b[:n] or b[-n:] == a[:n] for n in range(1, min(len(a), len(b))))


# Writing


def huggingface_file(parts: Parts) -> bytes:
    """The contents of a tokenizer.json that gives the same ids there."""
    vocab = {to_printable(token): i for i, token in parts.ordinary.items()}
    specials = sorted(parts.special_tokens.items(), key=lambda item: item[1])
    for name, _ in specials:
        if name in vocab:
            raise TokenizerError(f"to_huggingface: the special token {name!r} is spelled like the token {vocab[name]}")
    if [i for _, i in specials] != list(range(len(vocab), len(vocab) + len(specials))):
        vocab |= dict(specials)  # else their ids would be those that follow len(vocab)
        for name, _ in specials if parts.ignore_merges else []:
            if set(name) <= CHAR_TO_BYTE.keys() and from_printable(name) != name.encode():
                meant = from_printable(name).decode(errors="replace")
                raise TokenizerError(
                    f"to_huggingface: the special token {name!r} would be found where {meant!r} stands"
                )
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": parts.ignore_merges,
        "vocab": vocab,
        "merges": [f"{to_printable(left)} {to_printable(right)}" for left, right in parts.merges],
    }
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [written_token(name, i) for name, i in specials],
        "normalizer": {"type": parts.normal_form} if parts.normal_form else None,
        "pre_tokenizer": written_pattern(parts.pattern),
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": model,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def written_token(name: str, i: int) -> Document:
    """A special token as an added token that is found wherever it stands."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": i, "content": name, **flags}


def written_pattern(pattern: str) -> Document:
    """The pre-tokenizer that cuts text as a pattern does; raises TokenizerError where none may be sure to."""
    if pattern == "gpt2":
        return BYTES_AND_GPT2
    if pattern == "smollm2":
        return {"type": "Sequence", "pretokenizers": [DIGITS, BYTES_AND_GPT2]}
    if pattern == "gpt4":
        expression = GPT4_THERE
    else:
        expression = PATTERNS.get(pattern) or portable(pattern, "to_huggingface")
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, BYTES_ONLY]}
