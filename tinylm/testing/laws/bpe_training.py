"""Laws of training a tokenizer: the same merges in any order of documents, on any number of workers, to any size."""

import itertools
from typing import Any

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import equal, law, require

__all__ = [
    "every_merge_is_a_most_frequent_pair",
    "larger_vocabularies_begin_alike",
    "order_of_documents_does_not_matter",
    "special_tokens_separate_documents",
    "trained_tokenizers_lose_nothing",
    "training_a_tokenizer_repeats_itself",
    "workers_do_not_matter",
]

SPECIAL = "<|end|>"
MORE = 12  # merges that are asked for


def _documents(_: Any) -> Any:
    return drawn.corpora()


def _words(_: Any) -> Any:
    from tinylm.testing.drawing import st

    return st.lists(st.text("abc", min_size=1, max_size=6), max_size=6)


def _train(trainer: Any, documents: Any, merges: int = MORE, special: tuple[str, ...] = ()) -> Any:
    return trainer.train(given.texts("documents", documents), trainer.smallest + len(special) + merges, list(special))


@law("tokenizer training", needs=("train",), documents=_documents)
def training_a_tokenizer_repeats_itself(trainer: Any, documents: Any) -> None:
    """The same documents give the same merges each time."""
    equal(
        list(_train(trainer, documents).merges), list(_train(trainer, documents).merges), "the merges the second time"
    )


@law("tokenizer training", needs=("train",), documents=_documents)
def order_of_documents_does_not_matter(trainer: Any, documents: Any) -> None:
    """Documents in another order give the same merges: ties are broken by the tokens, not by what came first."""
    straight, turned = (list(_train(trainer, each).merges) for each in (documents, documents[::-1]))
    equal(straight, turned, "the merges of the documents in reverse order")


@law("tokenizer training", needs=("workers",), documents=_documents)
def workers_do_not_matter(trainer: Any, documents: Any) -> None:
    """Several processes give the merges that one gives."""
    several = trainer.workers(given.texts("documents", documents), trainer.smallest + MORE, [])
    several_merges = list(several.merges)
    equal(list(_train(trainer, documents).merges), several_merges, "the merges on several processes")


@law("tokenizer training", needs=("train",), documents=_documents, few=lambda _: drawn.numbers(5, 1))
def larger_vocabularies_begin_alike(trainer: Any, documents: Any, few: float) -> None:
    """Trained to a larger vocabulary, the first merges are those of the smaller one.

    few   how many merges more or less than 6 the smaller one has
    """
    smaller = list(_train(trainer, documents, 6 + given.whole("few", few, -6)).merges)
    equal(smaller, list(_train(trainer, documents).merges)[: len(smaller)], f"the first {len(smaller)} merges")


@law("tokenizer training", needs=("train",), documents=_words)
def every_merge_is_a_most_frequent_pair(trainer: Any, documents: Any) -> None:
    """Each merge joins a pair that no other is more frequent than, at its turn; ties may go either way.

    documents   words of letters, which every pattern leaves in one piece
    """
    words = [[bytes([byte]) for byte in word.encode()] for word in given.texts("documents", documents)]
    for rank, (left, right) in enumerate(_train(trainer, documents).merges):
        counts: dict[tuple[bytes, bytes], int] = {}
        for word in words:
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        most, own = max(counts.values(), default=0), counts.get((left, right), 0)
        best = [pair for pair, count in counts.items() if count == most]
        says = f"merge {rank} is {(left, right)}, met {own} times; {best[:2]} are met {most} times"
        require(0 < own == most, says)
        words = [_merged(word, left, right) for word in words]


@law("tokenizer training", needs=("train",), documents=lambda _: drawn.corpora((SPECIAL,)))
def special_tokens_separate_documents(trainer: Any, documents: Any) -> None:
    """Special tokens in a corpus are not counted, nor merged across: they end a document."""
    special = (SPECIAL,)
    apart = [part for document in given.texts("documents", documents) for part in document.split(SPECIAL)]
    inside, outside = (list(_train(trainer, each, special=special).merges) for each in (documents, apart))
    equal(outside, inside, "the merges of the corpus with special tokens")


@law("tokenizer training", needs=("train",), documents=_documents, text=lambda _: drawn.texts())
def trained_tokenizers_lose_nothing(trainer: Any, documents: Any, text: str) -> None:
    """A tokenizer trained on anything gives every text back, also letters that it never met."""
    tok = _train(trainer, documents)
    given.text("text", text)
    for each in (text, *documents):
        equal(each, tok.decode(list(tok.encode(each))), "the text after a round trip")


def _merged(word: list[bytes], left: bytes, right: bytes) -> list[bytes]:
    result: list[bytes] = []
    place = 0
    while place < len(word):
        both = word[place : place + 2] == [left, right]
        result.append(left + right if both else word[place])
        place += 2 if both else 1
    return result
