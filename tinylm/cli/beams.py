"""`tinylm sample --beams`: the texts that are most likely as a whole."""

import argparse
import json

from tinylm.beam import Hypothesis, beam_search
from tinylm.choose import Choice
from tinylm.cli.errors import UsageError
from tinylm.formats import Loaded

__all__ = ["add_beams", "check_beams", "search"]

DRAWING = (
    "temperature", "top_k", "top_p", "min_p", "typical_p", "best_of", "logprobs", "seed", "stop", "greedy",
    "repetition_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip


def add_beams(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--beams", type=int, metavar="N", help="draw nothing: search for the likeliest whole texts, N kept at a time"
    )
    group.add_argument(
        "--length-penalty", type=float, metavar="X", help="with --beams: ln p / length^X ranks texts (default 1)"
    )


def check_beams(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags that mean nothing beside --beams."""
    if arguments.beams is None:
        if arguments.length_penalty is not None:
            raise UsageError("--length-penalty belongs to --beams N")
        return
    if arguments.beams < arguments.samples:
        raise UsageError(f"--beams must be --samples, {arguments.samples}, or more; got {arguments.beams}")
    neutral = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
    for name in DRAWING:
        if getattr(arguments, name) not in (None, False, [], neutral.get(name)):
            raise UsageError(f"--beams draws nothing and shows whole texts; leave out --{name.replace('_', '-')}")


def search(arguments: argparse.Namespace, loaded: Loaded, prompts: list[list[int]], choice: Choice) -> None:
    """Search for each prompt in turn, and print the texts, the best first."""
    penalty = 1.0 if arguments.length_penalty is None else arguments.length_penalty
    for prompt in prompts:
        found = beam_search(
            loaded.model,
            prompt,
            arguments.max_new_tokens,
            beams=arguments.beams,
            length_penalty=penalty,
            n_best=arguments.samples,
            stop=loaded.stops,
            processors=choice.processors,
        )
        for each in found:
            print(_line(loaded, prompt, each, as_json=arguments.json), flush=True)


def _line(loaded: Loaded, prompt: list[int], each: Hypothesis, *, as_json: bool) -> str:
    text = loaded.tokenizer.decode([i for i in each.ids if i not in loaded.stops])
    if as_json:
        document = {
            "prompt": loaded.tokenizer.decode(prompt), "prompt_ids": prompt, "text": text, "ids": each.ids,
            "logprob": each.log_probability, "score": each.score,
        }  # fmt: skip
        return json.dumps(document, ensure_ascii=False)
    own = [i for i in prompt[len(loaded.start) :] if i not in loaded.stops] or prompt
    whole = loaded.tokenizer.decode([*own, *(i for i in each.ids if i not in loaded.stops)])
    return f"--- ln p {each.log_probability:.3f}, score {each.score:.3f} ---\n{whole}"
