"""Dialogues to train on: JSON lines of messages in, token ids out, of which those of the answers count.

A line is {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}, ...]}, or the list
alone; other entries are passed over. The model's chat template spells the dialogue, or where it has none, PLAIN. The
ids are those of the whole text, as one would encode it to read it.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np

from tinylm.checkpoint import AnyTokenizer
from tinylm.corpus import TextError
from tinylm.data import ANSWER, BEGINS, Dialogues
from tinylm.settings import Conventions
from tinylm.storage import parse_json
from tinylm.templates import Template, TemplateError
from tokenizer import TokenizerError

__all__ = ["PLAIN", "Dialogue", "encode_dialogue", "encode_dialogues", "read_dialogues", "renderer", "with_template"]

Message = Mapping[str, str]
Render = Callable[[Sequence[Message], bool], str]  # messages, and whether an answer shall follow -> their text

END = "<|endoftext|>"
ROLES = ("system", "user", "assistant")
WANTED = 'expected {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
PLAIN = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':\\n' + m['content'] + eos_token + '\\n\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}"
)
"""For models without a template of their own: the role and a colon, the content on the next line, and eos_token."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Messages, and the place that they came from, for errors."""

    messages: Sequence[Message]
    place: str = "a dialogue"


# -- reading ---------------------------------------------------------------------------------------------


def read_dialogues(paths: Iterable[str | os.PathLike[str]]) -> list[Dialogue]:
    """The dialogues of JSON-lines files in order; empty lines are passed over.

    Raises TextError naming file and line of one that is no dialogue, or has no answer after a question.
    """
    found: list[Dialogue] = []
    for path in paths:
        count = len(found)
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        found.append(_dialogue(line, f"{path}, line {number}"))
        except FileNotFoundError:
            raise TextError(f"{path}: no such file") from None
        except OSError as problem:
            raise TextError(f"{path}: {problem.strerror}") from None
        if len(found) == count:
            raise TextError(f"{path}: there are no dialogues in it; {WANTED}, one on each line")
    return found


def _dialogue(line: bytes, place: str) -> Dialogue:
    try:
        value = parse_json(line)
    except ValueError as problem:  # of UTF-8 too
        raise TextError(f"{place}: not JSON: {problem}; {WANTED}") from None
    messages = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list) or not messages:
        raise TextError(f"{place}: no list of messages; {WANTED}")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise TextError(f"{place}: message {number} is no object; {WANTED}")
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise TextError(f"{place}: message {number} has role {str(role)[:40]!r}; expected {', '.join(ROLES)}")
        if not isinstance(content, str) or not content.strip():
            raise TextError(f"{place}: message {number} has no content; expected a text that is not empty")
    if all(message["role"] != "assistant" for message in messages[1:]):
        raise TextError(f"{place}: there is no answer; expected a message of role assistant after one of role user")
    return Dialogue([{"role": m["role"], "content": m["content"]} for m in messages], place)


# -- spelling --------------------------------------------------------------------------------------------


def with_template(conventions: Conventions, tokenizer: AnyTokenizer) -> Conventions:
    """The conventions of a model that dialogues are trained on: where it has no template, PLAIN, and how that ends.

    A template alone says how a text begins: PLAIN, with bos_token where something goes before the model's texts.
    """
    if conventions.chat_template is not None:
        return conventions
    eos = conventions.eos_token or (END if END in tokenizer.special_tokens else None)
    stops = conventions.stops or ((tokenizer.special_tokens[eos],) if eos in tokenizer.special_tokens else ())
    bos = conventions.bos_token if conventions.start else None
    return replace(conventions, chat_template=PLAIN, bos_token=bos, eos_token=eos, stops=stops)


def renderer(conventions: Conventions) -> Render:
    """What spells messages by the model's template; raises TemplateError for a template that cannot be read."""
    template = Template(conventions.chat_template or PLAIN)
    tokens: dict[str, Any] = {"bos_token": conventions.bos_token or "", "eos_token": conventions.eos_token or ""}

    def render(messages: Sequence[Message], answer: bool) -> str:
        return str(template.render(messages=list(messages), add_generation_prompt=answer, **tokens))

    return render


def _spans(messages: Sequence[Message], text: str, render: Render) -> list[tuple[int, int]]:
    """Where the contents of the answers are in the text of the whole dialogue: from, to, in characters.

    An answer begins where the text of what stands before it, spelled with an invitation to answer, ends. Raises
    ValueError where the template writes something else there, or changes the content.
    """
    spans, end = [], 0
    for place, message in enumerate(messages):
        if message["role"] != "assistant" or not place:
            continue
        before = render(messages[:place], True)
        if not text.startswith(before):
            raise ValueError(f"the template writes other text before message {place + 1} than when it asks for it")
        for content in (message["content"], message["content"].strip()):  # many templates strip it
            start = text.find(content, max(end, len(before)))
            if start >= 0:
                break
        else:
            raise ValueError(f"the template does not write the content of message {place + 1} as it stands")
        end = start + len(content)
        spans.append((start, end))
    return spans


# -- encoding --------------------------------------------------------------------------------------------


def encode_dialogue(
    messages: Sequence[Message], tokenizer: AnyTokenizer, conventions: Conventions, render: Render | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a dialogue and its marks, as Dialogues has them: the answers, each with the token that ends it.

    messages   →   ids, marks: (N,)

    A token that lies partly in an answer counts. The end is the next special token (or one that stops the model), with
    white space before it; where other text follows, the first token of that. Raises ValueError where the answers cannot
    be told from the rest, and where a message spells a special token.
    """
    render = render or renderer(conventions)
    for number, message in enumerate(messages, 1):
        for special in tokenizer.special_tokens:
            if special in message["content"]:
                raise ValueError(f"message {number} spells the special token {special}, which would be read as one")
    text = render(messages, False)
    ids = tokenizer.encode(text, allowed_special="all")
    marks = np.zeros(len(ids), np.uint8)
    ends = {*tokenizer.special_tokens.values(), *conventions.stops}
    tokens = _Tokens(tokenizer, text, ids)
    for span in _spans(messages, text, render):
        first, behind = tokens.of(*span)
        stop = next((i for i in range(behind, len(ids)) if ids[i] in ends), None)
        if stop is None or tokenizer.decode(ids[behind:stop]).strip():
            stop = behind
        marks[first : stop + 1] = ANSWER
    marks[0] = BEGINS
    return np.array(ids, np.min_scalar_type(tokenizer.vocab_size)), marks


class _Tokens:
    """Where in a text its tokens lie."""

    def __init__(self, tokenizer: AnyTokenizer, text: str, ids: list[int]):
        self.tokenizer, self.text, self.ids = tokenizer, text, ids
        vocab = tokenizer.vocab  # decode_bytes would take the space of a word of SentencePiece's for the first one's
        spelled = [vocab[i] for i in ids]
        joined, data = b"".join(spelled), text.encode()
        self.lead = 1 if joined == b" " + data else 0  # a SentencePiece puts a space in front
        self.exact = joined[self.lead :] == data
        self.starts = np.cumsum([0, *map(len, spelled)])[:-1]  # in bytes

    def of(self, start: int, end: int) -> tuple[int, int]:
        """The first token that lies, if only partly, in a span of characters, and the first one behind it."""
        if self.exact:
            first, last = (len(self.text[:place].encode()) + self.lead for place in (start, end))
            inside = int(np.searchsorted(self.starts, first, side="right")) - 1
            return inside, int(np.searchsorted(self.starts, last, side="left"))
        first, _ = self._common(start)
        last, whole = self._common(end)
        return first, last + (not whole)

    def _common(self, characters: int) -> tuple[int, bool]:
        """With how many of the ids the text up to a place begins when it is encoded alone, and whether it is these."""
        alone = self.tokenizer.encode(self.text[:characters], allowed_special="all")
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(alone, self.ids, strict=False)))
        return same, same == len(alone)


def encode_dialogues(
    dialogues: Sequence[Dialogue], tokenizer: AnyTokenizer, conventions: Conventions, context: int
) -> tuple[Dialogues, list[str]]:
    """All dialogues as training data, and what a person must be told of it.

    context   tokens that the model reads at once: a longer dialogue is cut off at the right, and left out where no
              answer remains

    Raises TextError naming the place of a dialogue that cannot be encoded, and where none remains.
    """
    render = renderer(conventions)
    tokens, marks, cut, lost = [], [], 0, 0
    for dialogue in dialogues:
        try:
            ids, mark = encode_dialogue(dialogue.messages, tokenizer, conventions, render)
        except (ValueError, TemplateError, TokenizerError) as problem:
            raise TextError(f"{dialogue.place}: {problem}") from None
        kept = mark[: context + 1]
        if not (kept == ANSWER).any():
            lost += 1
            continue
        cut += len(kept) < len(mark)
        tokens.append(ids[: context + 1])
        marks.append(kept)
    if not tokens:
        raise TextError(f"no dialogue has an answer within the context of {context} tokens; type a larger --context")
    notes = []
    if cut:
        notes.append(
            f"{cut:,} of {len(dialogues):,} dialogues are longer than the context of {context} tokens: cut off"
        )
    if lost:
        notes.append(f"{lost:,} of {len(dialogues):,} dialogues have no answer within {context} tokens: left out")
    return Dialogues(np.concatenate(tokens), np.concatenate(marks)), notes
