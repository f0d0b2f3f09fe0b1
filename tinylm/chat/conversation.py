"""A conversation with a model: messages, the answers to them, and what is done when they outgrow its context."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

import numpy as np

from tinylm.backend import stream
from tinylm.chat.encoding import encode_parts
from tinylm.chat.memory import Memory
from tinylm.checkpoint import AnyTokenizer
from tinylm.choose import Choice
from tinylm.gpt import GPT
from tinylm.processors import OnlyIds
from tinylm.stops import StopStrings
from tinylm.templates import Template

__all__ = ["PLAIN", "PLAIN_STOPS", "Chat"]

PLAIN = """\
{% for message in messages %}
{{ {'user': 'User: ', 'assistant': 'Assistant: '}.get(message.role, '') ~ message.content | trim }}
{% endfor %}
{% if add_generation_prompt %}
Assistant:
{%- endif %}"""
"""How a conversation is spelled for a model that has no chat template."""

PLAIN_STOPS = ("\nUser:",)

Ended = Literal["", "stop", "length", "context", "interrupted"]


def _now(form: str) -> str:
    return datetime.now().strftime(form)


class Chat:
    """Turns of a person and a model, each spelled by the model's template and answered in pieces.

    messages    {"role": "system" | "user" | "assistant", "content": text}, in order; all that was said
    dropped     how many of the oldest, after the system's, the model is no longer shown
    notice      what a person must be told of this turn, or None
    ended       why the last answer ended: "stop", a stop id or stop string came; "length", max_new_tokens; "context",
                the context is full; "interrupted", whoever took the pieces took no more
    prompt_tokens, answer_tokens    of the last turn

    template          Jinja, as the model's file has it; None: PLAIN, begun with the ids `start`
    stops             ids that end an answer; they are not part of it
    bos_token, eos_token    their spelling, for the template
    system            what the model is told before everything
    max_new_tokens    of one answer
    stop_strings      end an answer before themselves
    seed              the same seed and messages give the same answers; None: other ones each time
    use_cache         keep keys and values between turns (the same answers, sooner)
    temperature, top_k, top_p, min_p, repetition_penalty    see tinylm.choose.Choice

    What was typed is never read as special tokens. Raises ValueError for settings out of range, TemplateError for a
    template that cannot be read.

    >>> from tinylm import GPTConfig
    >>> from tokenizer import CharTokenizer
    >>> tokenizer = CharTokenizer("User: Assistant:\\nhi?")
    >>> model = GPT(GPTConfig(tokenizer.vocab_size, 64, n_layer=1, n_head=1, n_embd=8))
    >>> chat = Chat(model, tokenizer, max_new_tokens=3, seed=1)
    >>> answer = "".join(chat.say("hi?"))
    >>> [message["role"] for message in chat.messages], chat.messages[1]["content"] == answer, chat.ended
    (['user', 'assistant'], True, 'length')
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: AnyTokenizer,
        *,
        template: str | None = None,
        start: Sequence[int] = (),
        stops: Iterable[int] = (),
        bos_token: str | None = None,
        eos_token: str | None = None,
        system: str | None = None,
        max_new_tokens: int = 512,
        stop_strings: Iterable[str] = (),
        seed: int | None = None,
        use_cache: bool = True,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float = 1.0,
        strftime_now: Callable[[str], str] = _now,
    ):
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be 1 or more, got {max_new_tokens}")
        self.model, self.tokenizer, self.stops = model, tokenizer, frozenset(stops)
        self.start = [] if template else list(start)  # a template says itself how a text begins
        self.stop_strings = tuple(stop_strings) + (() if template else PLAIN_STOPS)
        known = {*tokenizer.vocab, *self.stops}
        padded = model.config.vocab_size > len(known)  # ids that the tokenizer lacks must never be drawn
        limits = [OnlyIds(known)] if padded else []
        self.choice = Choice(temperature, top_k, top_p, min_p, repetition_penalty, processors=limits)
        self.max_new_tokens, self.seed = max_new_tokens, seed
        self._template = Template(template or PLAIN)
        self._names = {"bos_token": bos_token or "", "eos_token": eos_token or ""}
        self._now = strftime_now
        self._memory = Memory(model, use_cache)
        StopStrings(self.stop_strings, tokenizer)  # raises for those that are none
        self.messages: list[dict[str, str]] = []
        self.prompt_tokens = self.answer_tokens = 0
        self.reset()
        self.system = system

    # -- what was said -----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget all turns; what the system says stays."""
        self.messages = [message for message in self.messages[:1] if message["role"] == "system"]
        self.dropped = 0
        self.notice: str | None = None
        self.ended: Ended = ""
        self._rng = np.random.default_rng() if self.seed is None else stream(self.seed, "sampling")
        self._turn = object()  # the answer that is on: an older one, still held by somebody, must not go on

    @property
    def system(self) -> str | None:
        """What the model is told before everything; it may be set at any time."""
        first = self.messages[:1]
        return first[0]["content"] if first and first[0]["role"] == "system" else None

    @system.setter
    def system(self, text: str | None) -> None:
        rest = self.messages if self.system is None else self.messages[1:]
        self.messages = ([{"role": "system", "content": text}] if text else []) + rest

    def say(self, text: str) -> Iterator[str]:
        """Say something; the answer comes in pieces of whole characters, and is kept as far as they were taken.

        A question before it that was never answered is left out. Raises at once, and then nothing was said:
        TemplateError where the template refuses, TokenizerError for text without ids, ValueError for a message that
        is too long for the context.
        """
        before = self.messages, self.dropped
        kept = self._answered()
        self.messages = [*kept, {"role": "user", "content": text}]
        answer = self._begin(before)
        if len(kept) < len(before[0]):
            self._notice("the question before had no answer and is left out")
        return answer

    def regenerate(self) -> Iterator[str]:
        """Answer the last question anew; raises ValueError where none was asked."""
        before, messages = (self.messages, self.dropped), list(self.messages)
        while messages and messages[-1]["role"] == "assistant":
            messages.pop()
        if not messages or messages[-1]["role"] != "user":
            raise ValueError("there is no question yet to answer again")
        self.messages = messages
        return self._begin(before)

    def _answered(self) -> list[dict[str, str]]:
        """The messages, without a question at the end that got no answer."""
        unanswered = bool(self.messages) and self.messages[-1]["role"] == "user"
        return self.messages[:-1] if unanswered else list(self.messages)

    # -- what the model is shown ---------------------------------------------------------------------------

    def _begin(self, before: tuple[list[dict[str, str]], int]) -> Iterator[str]:
        self.notice, self.ended, self._turn = None, "interrupted", object()
        try:
            prompt = self._prompt()
        except BaseException:
            self.messages, self.dropped = before
            raise
        self.prompt_tokens, self.answer_tokens = len(prompt), 0
        return self._answer(prompt, self._turn)

    def _prompt(self) -> list[int]:
        """The ids of what the model is to go on from; turns are dropped where they leave too little room to answer.

        Room is what an answer may have, up to a quarter of the context. Where it is not there, the oldest turns go
        until half of the context is free: each time all that is left must be read again, which should be seldom.
        """
        context = self.model.config.block_size
        dropped, prompt = self.dropped, self._encode()
        if len(prompt) > context - min(self.max_new_tokens, context // 4):
            while len(prompt) > context // 2 and self._drop():
                prompt = self._encode()
        if len(prompt) > context:
            raise ValueError(
                f"the message has {len(prompt)} tokens with what must go before it, the model's context is {context}; "
                "shorten it"
            )
        if self.dropped > dropped:
            self._notice(
                f"the conversation outgrew the model's context of {context} tokens: it no longer sees the oldest "
                f"{self.dropped} messages"
            )
        return prompt

    def _notice(self, text: str) -> None:
        self.notice = f"{self.notice}; {text}" if self.notice else text

    def _encode(self) -> list[int]:
        first = 0 if self.system is None else 1
        shown = self.messages[:first] + self.messages[first + self.dropped :]
        parts = self._template.parts(shown, True, strftime_now=self._now, **self._names)
        ids = self.start + encode_parts(self.tokenizer, parts)
        if not ids:
            raise ValueError("the chat template makes an empty text of these messages; the model needs one token")
        return ids

    def _drop(self) -> bool:
        """Leave out the oldest turn, up to the next question; whether there was one beside the last."""
        first = self.dropped + (0 if self.system is None else 1)
        questions = [i for i, message in enumerate(self.messages) if message["role"] == "user" and i > first]
        if questions:
            self.dropped += questions[0] - first
        return bool(questions)

    # -- the answer ------------------------------------------------------------------------------------------

    def _answer(self, prompt: list[int], turn: object) -> Iterator[str]:
        ids, stops = list(prompt), StopStrings(self.stop_strings, self.tokenizer)
        room = self.model.config.block_size + 1 - len(prompt)  # the last one need not be read
        said: dict[str, str] = {"role": "assistant", "content": ""}
        ended: Ended = "length" if self.max_new_tokens <= room else "context"
        for _ in range(min(room, self.max_new_tokens)):
            token = self.choice.step(self._memory.logits(ids), ids, self._rng).token
            if token in self.stops:
                ended = "stop"
                break
            ids.append(token)
            self.answer_tokens += 1
            yield from self._kept(stops.feed(token), said, turn)
            if self._turn is not turn:
                return
            if stops.stopped is not None:
                ended = "stop"
                break
        yield from self._kept(stops.flush(), said, turn)
        if self._turn is turn:
            self._keep(said)
            self.ended = ended

    def _kept(self, piece: str, said: dict[str, str], turn: object) -> Iterator[str]:
        """The piece, once it is in the messages; an answer does not begin with spaces."""
        piece = piece if said["content"] else piece.lstrip(" ")
        if piece and self._turn is turn:
            said["content"] += piece
            self._keep(said)
            yield piece

    def _keep(self, said: dict[str, str]) -> None:
        if self.messages[-1] is not said:
            self.messages = [*self.messages, said]
