"""Code that breaks each law of tokens, as people break it: law → what is wrong → the adapter."""

import itertools
from dataclasses import replace

import numpy as np

from tinylm.choose import probabilities
from tinylm.testing import BPETrainer, Sampler
from tinylm.testing.adapters import tinylm_coder, tinylm_sampler, tinylm_trainer
from tokenizer import Tokenizer

SPECIALS = ["<|end|>", "<|end|><|end|>"]
PAIRS = [
    (b"b", b"a"),
    (b"a", b"b"),
    (b"ab", b"a"),
    (b"ba", b"ba"),
    (b"t", b"h"),
    (b"th", b"e"),
    (b" ", b"the"),
    (b"\xe4", b"\xbd"),
]
VOCAB = {i: bytes([i]) for i in range(256)} | {256 + i: a + b for i, (a, b) in enumerate(PAIRS)}
TOK = Tokenizer.from_merges(VOCAB, PAIRS, SPECIALS)
RIGHT_CODER = tinylm_coder(TOK)
IDS = {token: i for i, token in TOK.vocab.items()}


def longest_first(text):
    """The longest token that fits, again and again: WordPiece's rule, not BPE's."""
    data, ids = text.encode(), []
    while data:
        fits = next(data[:n] for n in range(len(data), 0, -1) if data[:n] in IDS)
        ids.append(IDS[fits])
        data = data[len(fits) :]
    return ids


def no_merges(text):
    return [IDS[bytes([byte])] for byte in text.encode()]


def last_rank_first(text):
    turned = Tokenizer.from_merges(TOK.vocab, TOK.merges[::-1], TOK.special_tokens)
    return turned.encode_ordinary(text)


class Remembers:
    """Every third call adds an id."""

    def __init__(self):
        self.calls = 0

    def __call__(self, text):
        self.calls += 1
        return TOK.encode_ordinary(text) + [0] * (self.calls % 3 == 0)


def forgets_after(n):
    """Decodes only the first n ids of a part right."""
    return lambda ids: TOK.decode_bytes(ids[:n]) + b" " * (len(ids) > n) + TOK.decode_bytes(ids[n:])


def late_special(text):
    """Special tokens are looked for after the text has been encoded."""
    return TOK.encode_ordinary(text)


def without_merges():
    return tinylm_coder(Tokenizer.from_merges({i: bytes([i]) for i in range(256)}, []))


def with_specials(names):
    return tinylm_coder(Tokenizer.from_merges(VOCAB, PAIRS, names))


def without_specials():
    return with_specials([])


def flushing(chunks):
    """A stream that waits for nine letters, and then forgets that the last of them could be merged on."""
    waiting = ""
    for chunk in chunks:
        waiting += chunk
        if len(waiting) >= 9:
            yield from TOK.encode_ordinary(waiting)
            waiting = ""
    yield from TOK.encode_ordinary(waiting)


RIGHT_TRAINER = tinylm_trainer()


def by_turns():
    """Another tie rule with every training."""
    rules = itertools.cycle(["smallest_ids", "greatest_bytes"])
    return BPETrainer(lambda *given: tinylm_trainer(tie_break=next(rules)).train(*given))


def by_size(documents, vocab_size, special_tokens):
    rule = "smallest_ids" if vocab_size % 2 else "greatest_bytes"
    return tinylm_trainer(tie_break=rule).train(documents, vocab_size, special_tokens)


def unsorted(documents, vocab_size, special_tokens):
    """Pairs as they come, whatever their count."""
    right = RIGHT_TRAINER.train(sorted(set("".join(documents))), vocab_size, special_tokens)
    pairs = dict.fromkeys((a.encode(), b.encode()) for d in documents for a, b in itertools.pairwise(d))
    return replace(right, merges=list(pairs)[:12])


def knows_no_specials(documents, vocab_size, special_tokens):
    return RIGHT_TRAINER.train(documents, vocab_size - len(special_tokens), [])


def drops_unknown(documents, vocab_size, special_tokens):
    coder = RIGHT_TRAINER.train(documents, vocab_size, special_tokens)
    known = set("".join(documents))
    return replace(coder, encode=lambda text: coder.encode("".join(c for c in text if c in known)))


RIGHT_SAMPLER = tinylm_sampler()


def top_k(logits, k):
    return logits >= np.sort(logits)[-min(k, len(logits))]


def top_p(logits, p, crossing=True, more=False):
    shares = probabilities(logits)
    order = np.argsort(-shares, kind="stable")
    before = np.cumsum(shares[order]) - shares[order]
    kept = np.zeros(len(logits), bool)
    kept[order[(before < p) if crossing else (before + shares[order] <= p)]] = True
    kept[order[: int(kept.sum()) + more]] = True
    return kept


def draws(bend=1.0, warm=True, seeded=True):
    def draw(logits, n, seed, temperature):
        rng = np.random.default_rng(seed if seeded else None)
        p = probabilities(logits / (temperature if warm else 1.0)) ** bend
        return rng.choice(len(logits), n, p=p / p.sum())

    return draw


NONE = Sampler(draw=lambda logits, n, seed, temperature: [])
RIGHT = {
    "tokenizer": RIGHT_CODER,
    "tokenizer training": RIGHT_TRAINER,
    "sampling": replace(RIGHT_SAMPLER, draw=draws(), top_p=top_p),
}

WRONG = {
    "text_survives_a_round_trip": {
        "spaces at the edges are dropped": replace(RIGHT_CODER, decode=lambda ids: TOK.decode(ids).strip(" ")),
        "letters become small": replace(RIGHT_CODER, encode=lambda text: TOK.encode_ordinary(text.lower())),
        "beyond the first plane nothing": replace(
            RIGHT_CODER, encode=lambda text: TOK.encode_ordinary("".join(c for c in text if ord(c) < 1 << 16))
        ),
        "an error at a null": replace(RIGHT_CODER, encode=lambda text: TOK.encode_ordinary(text)[text.index("\0")]),
    },
    "bytes_survive_a_round_trip": {
        "bytes that are no text are replaced": replace(
            RIGHT_CODER, encode_bytes=lambda data: TOK.encode_ordinary(data.decode("utf-8", "replace"))
        )
    },
    "tokens_spell_the_text": {"two tokens exchanged": replace(RIGHT_CODER, vocab={**TOK.vocab, 97: b"b", 98: b"a"})},
    "encoding_repeats_itself": {"it remembers": replace(RIGHT_CODER, encode=Remembers())},
    "streaming_equals_encoding": {
        "all of nine letters and more is given out at once": replace(RIGHT_CODER, stream=flushing),
        "each chunk alone": replace(
            RIGHT_CODER, stream=lambda chunks: [i for c in chunks for i in TOK.encode_ordinary(c)]
        ),
    },
    "decoding_adds_up": {
        "a space before every part": replace(RIGHT_CODER, decode_bytes=lambda ids: b" " + TOK.decode_bytes(ids)),
        "a space before parts that come after nine ids": replace(RIGHT_CODER, decode_bytes=forgets_after(9)),
        "cut characters are dropped": replace(
            RIGHT_CODER, decode_bytes=lambda ids: TOK.decode_bytes(ids).decode("utf-8", "ignore").encode()
        ),
    },
    "merges_apply_in_rank_order": {
        "the longest token first": replace(RIGHT_CODER, encode=longest_first),
        "the last merge first": replace(RIGHT_CODER, encode=last_rank_first),
    },
    "no_merge_is_left_undone": {"no merges at all": replace(RIGHT_CODER, encode=no_merges)},
    "special_tokens_are_whole": {
        "found too late": replace(RIGHT_CODER, encode_allowed=late_special),
        "the shorter first": replace(
            RIGHT_CODER,
            encode_allowed=lambda text: TOK.encode(text.replace(SPECIALS[1], SPECIALS[0]), allowed_special="all"),
        ),
    },
    "special_tokens_are_refused": {
        "encoded all the same": replace(RIGHT_CODER, encode_strict=TOK.encode_ordinary),
        "everything with a < is refused": replace(
            RIGHT_CODER, encode_strict=lambda text: TOK.encode(text) if "<" not in text else [][0]
        ),
    },
    "copies_encode_alike": {
        "merges are lost": replace(RIGHT_CODER, copy=without_merges),
        "special tokens are lost": replace(RIGHT_CODER, copy=without_specials),
        "special tokens have other ids": replace(RIGHT_CODER, copy=lambda: with_specials(SPECIALS[::-1])),
        "special tokens are told, not found": replace(
            RIGHT_CODER, copy=lambda: replace(RIGHT_CODER, encode_allowed=TOK.encode_ordinary)
        ),
    },
    "training_a_tokenizer_repeats_itself": {"another tie rule each time": by_turns()},
    "order_of_documents_does_not_matter": {"ties go to the first seen": tinylm_trainer(tie_break="first_seen")},
    "workers_do_not_matter": {
        "another tie rule": replace(RIGHT_TRAINER, workers=tinylm_trainer(tie_break="greatest_bytes").train)
    },
    "larger_vocabularies_begin_alike": {"a tie rule by size": BPETrainer(by_size)},
    "every_merge_is_a_most_frequent_pair": {
        "pairs as they come": BPETrainer(unsorted),
        "every word counts once": BPETrainer(
            lambda documents, *how: RIGHT_TRAINER.train([*{}.fromkeys(documents)], *how)
        ),
    },
    "special_tokens_separate_documents": {"they are text": BPETrainer(knows_no_specials)},
    "trained_tokenizers_lose_nothing": {"unknown letters are dropped": BPETrainer(drops_unknown)},
    "top_k_keeps_k": {
        "ties at the edge are all kept": Sampler(top_k=top_k),
        "one too few": Sampler(top_k=lambda logits, k: RIGHT_SAMPLER.top_k(logits, k - 1) if k > 1 else logits < 0),
        "the smallest": Sampler(top_k=lambda logits, k: RIGHT_SAMPLER.top_k(-logits, k)),
    },
    "top_p_keeps_enough_and_no_more": {
        "without the one that crosses": Sampler(top_p=lambda logits, p: top_p(logits, p, crossing=False)),
        "one too many": Sampler(top_p=lambda logits, p: top_p(logits, p, more=True)),
    },
    "min_p_keeps_what_is_near_the_largest": {
        "beside 1, not beside the largest": Sampler(min_p=lambda logits, m: probabilities(logits) >= m),
        "never the largest": Sampler(min_p=lambda logits, m: probabilities(logits) < probabilities(logits).max()),
    },
    "draws_repeat_with_their_seed": {"the seed is forgotten": Sampler(draw=draws(seeded=False)), "none": NONE},
    "low_temperature_takes_the_largest": {
        "the temperature is forgotten": Sampler(draw=draws(warm=False)),
        "none": NONE,
        "one too few": Sampler(draw=lambda logits, n, seed, t: draws()(logits, n - 1, seed, t)),
    },
    "frequencies_match_probabilities": {
        "the temperature is forgotten": Sampler(draw=draws(warm=False)),
        "none": NONE,
        "one alone": Sampler(draw=lambda logits, n, seed, t: draws()(logits, 1, seed, t)),
        "no ids, but numbers": Sampler(draw=lambda logits, n, seed, t: draws()(logits, n, seed, t) + 0.5),
        "beyond the last id": Sampler(draw=lambda logits, n, seed, t: draws()(logits, n, seed, t) + 1),
        "a little too bold": Sampler(draw=draws(bend=1.5)),
        "what cannot come, comes": Sampler(
            draw=lambda logits, n, seed, t: np.random.default_rng(seed).integers(0, len(logits), n)
        ),
    },
}
