"""The flags of `tinylm sample` that say how a token is chosen and where a text ends."""

import argparse
from typing import Any

from tinylm.choose import Choice
from tinylm.cli.errors import UsageError
from tinylm.formats import Loaded
from tinylm.processors import NeverText, Processor

__all__ = ["add_choice", "add_ends", "choice_of"]


def add_choice(group: Any) -> None:
    group.add_argument("--greedy", action="store_true", help="always the most likely token")
    group.add_argument("--temperature", type=float, metavar="X", help="0 is greedy (default 0.8)")
    group.add_argument("--top-k", type=int, metavar="K", help="choose among the K most likely tokens")
    group.add_argument("--top-p", type=float, metavar="P", help="choose among the fewest that have P together")
    group.add_argument("--min-p", type=float, metavar="P", help="leave out what has less than P times the largest")
    group.add_argument("--typical-p", type=float, metavar="P", help="the fewest of usual surprise with P together")
    group.add_argument("--repetition-penalty", type=float, default=1.0, metavar="X", help="1 changes nothing")
    group.add_argument(
        "--presence-penalty", type=float, default=0.0, metavar="X", help="off the logit of what was written: -2 to 2"
    )
    group.add_argument(
        "--frequency-penalty", type=float, default=0.0, metavar="X", help="the same for every time it was written"
    )
    group.add_argument(
        "--bad-word", action="append", default=[], metavar="TEXT", help="never write this; may be given several times"
    )
    group.add_argument("--regex", metavar="PATTERN", help="the text must match this regular expression")


def add_ends(group: Any) -> None:
    group.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end before this text; may be given several times"
    )
    group.add_argument(
        "--overflow",
        choices=("slide", "stop", "error"),
        default="slide",
        help="beyond the model's context: see the last tokens only (default), end the text, or refuse to begin",
    )
    group.add_argument(
        "--logprobs", type=int, metavar="N", help="a table of the tokens: ln p, and the N most likely (0: none)"
    )
    group.add_argument("--json", action="store_true", help="one line of JSON for each text")


def choice_of(arguments: argparse.Namespace, loaded: Loaded) -> Choice:
    processors: list[Processor] = []
    if arguments.regex is not None:
        from tinylm.constrain import Regex

        if not loaded.stops:
            raise UsageError("--regex: this model has no token that ends a text, so no match could ever end")

        processors.append(Regex(arguments.regex, loaded.tokenizer, stops=loaded.stops))
    if arguments.bad_word:
        processors.append(NeverText(arguments.bad_word, loaded.tokenizer.vocab))
    temperature = 0.8 if arguments.temperature is None else arguments.temperature
    return Choice(
        0.0 if arguments.greedy else temperature,
        arguments.top_k,
        arguments.top_p,
        arguments.min_p,
        arguments.repetition_penalty,
        arguments.typical_p,
        arguments.presence_penalty,
        arguments.frequency_penalty,
        processors=processors,
    )
