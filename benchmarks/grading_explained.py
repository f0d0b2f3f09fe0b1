"""Why a random change of an answer that the grader does not notice is no fault.

A reason → the changes for which it is true: (exercise, or several, what stood there, what stands there now; ANY).
UNASKED has whole functions: (exercise, function) → why what it does is not asked for.
"""

from benchmarks.grading_mutants import Mutant

__all__ = ["EXPLAINED", "UNASKED", "matches", "reason"]

ANY = ""
ATTENTION = "attention causal_attention attention_backward causal_attention_backward"
FORWARD = "attention causal_attention"
OUT = "(left out)"
FOLD = "x if R == 1 else x.reshape(*x.shape[:-3], x.shape[-3] // R, R * x.shape[-2], x.shape[-1])"
UNFOLD = "x if R == 1 else x.reshape(*x.shape[:-3], x.shape[-3] * R, x.shape[-2] // R, x.shape[-1])"
SAME_HEADS = "q.ndim < 3 or k.ndim < 3 or q.shape[-3] == k.shape[-3]"
IDS = "ids if isinstance(ids, Tensor) or hasattr(ids, 'dtype') else np.asarray(ids)"
LEARNED = "self.wpe.weight[first:first + T] if positions.ndim == 1 else self.wpe(positions)"
RECOMPUTE = "recompute(block, x, positions, cache, rngs=rngs) if self.recompute else block(x, positions, cache)"
COUNTED = "np.ones(ids.shape, dtype=bool) if ignore_index is None else ids != ignore_index"

UNASKED = {
    ("merges", "PairIndex.first"): "only the tie rule first_seen looks at places, and the exercise never asks for it",
}

EXPLAINED: dict[str, tuple[tuple[str, str, str], ...]] = {
    # what the exercise says it does not ask for
    "the exercise runs in evaluation, where nothing is dropped": (
        ("attention_forward", "self.resid_dropout(self.c_proj(y))", "self.c_proj(y)"),
        ("attention_forward", "self.config.dropout if self.training else 0.0", "0.0"),
        ("mlp_forward", "self.dropout(self.c_proj(hidden))", "self.c_proj(hidden)"),
        ("gpt_hidden", "x = self.drop(x)", OUT),
        ("gpt_hidden", "self.drop(x)", "x"),
        ("gpt_hidden", "rngs = [self.streams['dropout']]", OUT),
    ),
    "the exercise has no rows of unequal length, so positions have one axis, and a cache has no mask": (
        ("attention_forward", "y = F.attention(q, k, v, cache.mask, dropout=dropout, rng=self.rng)", OUT),
        ("gpt_hidden", LEARNED, "self.wpe.weight[first:first + T]"),
        ("gpt_hidden", "self.wpe(positions)", "positions"),
        ("gpt_hidden", "positions.ndim == 2", "positions.ndim == 3"),
        ("gpt_hidden", "positions = positions[:, None]", OUT),
    ),
    "looking positions up one by one gives the same rows as the slice": (
        ("gpt_hidden", LEARNED, ANY),
        ("gpt_hidden", "positions.ndim == 1", ANY),
    ),
    "recomputing changes what is remembered, and no number": (("gpt_hidden", RECOMPUTE, ANY),),
    "the exercise gives arrays, which need not be made": (
        ("gpt_hidden", IDS, ANY),
        ("gpt_hidden", f"ids = {IDS}", OUT),
        ("gpt_hidden", "isinstance(ids, Tensor) or hasattr(ids, 'dtype')", ANY),
    ),
    "it is for iterators and arrays; the exercise gives lists": (
        ("decode_bytes", "ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)", OUT),
        ("decode_bytes", "ids.tolist() if isinstance(ids, np.ndarray) else list(ids)", "list(ids)"),
        ("decode_bytes", "index(i)", "i"),
    ),
    "the exercise never asks for the losers of a merge (rivals)": (
        ("merges", "1 + rivals", ANY),
        ("merges", "best[1:]", ANY),
        ("merges", "records[0]", "records[-1]"),
        ("merges", "queue.push(pair)", ANY),
    ),
    "the exercise looks at left, right and count of a merge, not at its id": (("merges", "256 + rank", ANY),),
    "the exercise gives numbers that are right, so that no check of them fails": (
        ("merges", "check_number('n_merges', n_merges or 0)", OUT),
        ("merges", "n_merges or 0", ANY),
        ("merges", "check_counts(counts)", ANY),
        ("split_heads", "start < 0 or start + heads * size > x.shape[-1]", ANY),
        ("split_heads", "start < 0", ANY),
        ("split_heads", "start + heads * size", ANY),
        ("split_heads", "heads * size", ANY),
        ("rotary", "x.shape[-1] % 2", "x.shape[-1] % 1"),
    ),
    "the exercise has no empty axis, and what is not empty has a length of 1 at least": (
        (ATTENTION, "max(q.shape[-1], 1)", "max(q.shape[-1], 0)"),
        (FORWARD, "scores.shape[-1]", ANY),
        (ATTENTION, "groups == 0", "groups == -1"),
        (ATTENTION, "groups == 0 or heads % groups", "groups == 0 and heads % groups"),
        ("rotary", "max(half, 1)", "max(half, 0)"),
        ("mean_backward", "max(count, 1)", "max(count, 0)"),
        ("mean_backward var_backward", "max(dy.size, 1)", "max(dy.size, 0)"),
        ("var_backward", "max(count, 1)", "max(count, 0)"),
    ),
    "the exercise has heads in all of q, k and v": (
        (ATTENTION, SAME_HEADS, ANY),
        (ATTENTION, "q.ndim < 3", "q.ndim < 2"),
        (ATTENTION, "k.ndim < 3", "k.ndim < 2"),
        ("spelled_causal_attention", "q.ndim >= 3", ANY),
    ),
    "a default that the answer never falls back on: it always gives the argument": (
        ("cosine", "step: int, *, max_lr: float, warmup: int=0", ANY),
    ),
    "it calls it in the warm-up alone": (
        ("cosine", "max_lr * (step + 1) / (warmup + 1) if step < warmup else max_lr", ANY),
    ),
    "there is a step after the warm-up, which begins at max_lr and ends at min_lr by the equation, too": (
        ("cosine", "step < warmup", "step <= warmup"),
        ("cosine", "step >= total", "step > total"),
    ),
    "the exercise asks for the token and p, not for the position": (("choose_token", "len(seen)", "seen"),),
    "the probabilities of the exercise add up to 1 exactly, so no number below 1 lies behind the last end": (
        ("pick", "uniform * ends[-1]", ANY),
        ("pick", "token < len(p)", "token <= len(p)"),
        ("pick", "token if token < len(p) else int(np.flatnonzero(p)[-1])", "token"),
        ("pick", "np.flatnonzero(p)", "p"),
        ("pick", "np.flatnonzero(p)[-1]", ANY),
    ),
    "the exercise leaves the step to the answer": (
        ("numerical_gradient", "numerical_slope(f, x, direction, step=step)", "numerical_slope(f, x, direction)"),
    ),
    # what cannot change a result
    "in causal attention every query sees itself: no row is without a number, no total is 0 or less": (
        ("causal_attention", "highest == -xp.inf", "highest == xp.inf"),
        ("causal_attention", "xp.zeros_like(highest)", "highest"),
        ("causal_attention", "total == 0", "total == -1"),
        ("causal_attention", "xp.ones_like(total)", "total"),
        ("causal_attention", "xp.ones_like", "xp.zeros_like"),
    ),
    "where the total is 1, it is divided by 1 either way": (("causal_attention", "total == 0", "total == 1"),),
    "−∞ less 1 is −∞": ((FORWARD, "xp.zeros_like", "xp.ones_like"),),
    "a reshape to the shape that there is changes nothing": (
        (ATTENTION, FOLD, ANY),
        (ATTENTION, UNFOLD, ANY),
        (ATTENTION, "R == 1", "R == 0"),
    ),
    "every head of its own is picked once, in order": (
        ("spelled_causal_attention", "q.ndim >= 3 and q.shape[-3] != k.shape[-3]", ANY),
    ),
    "an axis of length 1 has one place and one order; adding it up, or up again, changes nothing": (
        ("matmul_backward", "db[..., 0]", "db[..., -1]"),
        ("matmul_backward", "da[..., 0, :]", "da[..., -1, :]"),
        ("softmax_cross_entropy_backward", "slope[:, 0]", "slope[:, -1]"),
        ("softmax_cross_entropy softmax_cross_entropy_backward", "ids.shape[0]", "ids.shape[-1]"),
        ("unbroadcast", "gradient.shape[i] != 1", "gradient.shape[i] != 0"),
    ),
    "a sum over no axis is what is summed": (
        ("unbroadcast", "gradient.sum(axis=axes, keepdims=True) if axes else gradient", ANY),
    ),
    "reshape puts the axes of length 1 back": (
        ("unbroadcast", "gradient.sum(axis=axes, keepdims=True)", ANY),
    ),
    "the strict zip behind it raises the same ValueError": (("unbroadcast", "extra < 0", "extra < -1"),),
    "random integers below 0 raise the same ValueError": (("get_batch", "choices < 1", "choices < 0"),),
    "to NumPy any negative length is whatever is left": (
        ("softmax_cross_entropy", "logits.reshape(-1, V)", "logits.reshape(-2, V)"),
        ("softmax_cross_entropy", "targets.reshape(-1)", "targets.reshape(-2)"),
        ("softmax_cross_entropy_backward", "dy.reshape(-1)", "dy.reshape(-2)"),
    ),
    "no id equals None: the comparison is True everywhere": (
        ("softmax_cross_entropy", COUNTED.replace("np.", "xp."), "ids != ignore_index"),
        ("spelled_softmax_cross_entropy", COUNTED, "ids != ignore_index"),
    ),
    "ones are as good as True": (
        ("softmax_cross_entropy", "xp.ones(ids.shape, dtype=bool)", "xp.ones(ids.shape)"),
        ("spelled_softmax_cross_entropy", "np.ones(ids.shape, dtype=bool)", "np.ones(ids.shape)"),
        ("spelled_causal_attention", "np.ones((T, S), dtype=bool)", "np.ones((T, S))"),
    ),
    "which logit stands for one that is not counted does not matter": (
        ("softmax_cross_entropy", "xp.where(counted, ids, 0)", "xp.where(counted, ids, -1)"),
        ("spelled_softmax_cross_entropy", "np.where(counted, ids, 0)", ANY),
    ),
    "0 is subtracted": (
        (
            "softmax_cross_entropy_backward",
            "(p - label_smoothing / p.shape[-1]) * slope if label_smoothing else p * slope",
            "(p - label_smoothing / p.shape[-1]) * slope",
        ),
    ),
    "whatever the power is, it is multiplied by b, which is 0 there": (
        ("power_backward", "xp.ones_like(b)", "b"),
        ("power_backward", "xp.ones_like", "xp.zeros_like"),
    ),
    "the numbers have that type already": (
        ("power_backward", "xp.asarray(a, dtype=b.dtype)", "xp.asarray(a)"),
        ("rotary", "xp.arange(half, dtype=xp.float64)", "xp.arange(half)"),
    ),
    "with one pair its number is 0, and 0 divided by anything is 0": (("rotary", "max(half, 1)", "max(half, 2)"),),
    "it is squared": (("var", "x - x.mean(axis=axis, keepdims=True)", "x.mean(axis=axis, keepdims=True) - x"),),
    "one number does not differ from its mean": (("var_backward", "max(count, 1)", "max(count, 2)"),),
    "adding up where nothing repeats is writing": (
        ("getitem_backward", "any((may_repeat(part) for part in parts_of(index)))", ANY),
        ("getitem_backward", "index if isinstance(index, tuple) else (index,)", "(index,)"),
        ("getitem_backward", "part is None or part is Ellipsis or isinstance(part, (slice, int))", ANY),
        ("getitem_backward", "False", "True"),
    ),
    "where the root is written does not matter": (("adamw_update", "xp.sqrt(v, out=xp.empty_like(v))", "xp.sqrt(v)"),),
    "a scale of 1 changes nothing": (("clip_gradients", "scale < 1", "scale <= 1"),),
    "the cosine of an angle is that of its negative": (
        ("cosine", "step - warmup", "warmup - step"),
        ("cosine", "total - warmup", "warmup - total"),
    ),
    "0 is 0, multiplied or divided": (("penalize_repetition", "logits[ids] > 0", "logits[ids] >= 0"),),
    "an id that comes twice is set twice, each time to what its old logit becomes": (
        ("penalize_repetition", "np.unique(np.fromiter(seen, dtype=np.int64))", "np.fromiter(seen, dtype=np.int64)"),
    ),
    "a penalty of 1 changes nothing": (
        ("choose_token", "repetition_penalty == 1", "repetition_penalty == 0"),
        (
            "choose_token",
            "logits if repetition_penalty == 1 else penalize_repetition(logits, seen, repetition_penalty)",
            "penalize_repetition(logits, seen, repetition_penalty)",
        ),
    ),
    "of V ids the V greatest are all, either way": (("keep_top_k", "k >= len(logits)", "k > len(logits)"),),
    "it leaves out ids that cannot be kept, to sort fewer: together they still have less than 1 − top_p": (
        ("keep_top_p", "p >= (1 - top_p) / (2 * len(p))", "p > (1 - top_p) / (2 * len(p))"),
        ("keep_top_p", "1 - top_p", "top_p - 1"),
        ("keep_top_p", "1 - top_p", "0 - top_p"),
        ("keep_top_p", "2 * len(p)", ANY),
    ),
    "the first id is kept anyway: nothing was gathered before its turn": (
        ("keep_top_p", "order[:1]", "order[:0]"),
        ("keep_top_p", "kept[order[:1]] = True", OUT),
    ),
    "the mark at the end need only be greater than every negated byte, of which 0 is the greatest": (
        ("tie_greatest_bytes", "(*(-byte for byte in data), 1)", "(*(-byte for byte in data), 2)"),
    ),
    "an entry of the queue that is out of date is compared with its count then, which is never 1 or −1 less": (
        ("merges", "self.index.pair_counts.get(pair, 0)", ANY),
    ),
    "a word that has the pair no more stays as it is when it is looked at once more": (
        ("merges", "self.where[old].discard(number)", ANY),
    ),
    "the ways for long and for short words give the same": (
        ("encode_word", "len(ids) >= LONG", ANY),
        (
            "encode_word",
            "if len(ids) >= LONG:\n    return encode_long_word(ids, ranks)",
            "if not len(ids) >= LONG:\n    return encode_long_word(ids, ranks)",
        ),
    ),
    "the lists of neighbours may be longer than the word": (
        ("encode_long_word", "len(ids) - 1", ANY),
        ("encode_long_word", "len(ids) + 1", ANY),
    ),
    "a token that has become the last has changed, so that the pair is out of date already": (
        ("encode_long_word", "len(ids)", "ids"),
    ),
    "a pair of the last token and the first is left out when its turn comes, for nothing is right of the last": (
        ("encode_long_word", "a >= 0", "a >= -1"),
    ),
    "no UTF-8 has the byte 192": (("decode_with_offsets", "128 <= byte < 192", "128 <= byte < 193"),),
    "the decoder has forgotten everything already: its last bytes were final": (
        ("StreamDecoder", "self._decoder.reset()", OUT),
    ),
    "no tokenizer of the exercise has to remember where a text began": (
        ("StreamDecoder", "self._tokenizer = getattr(self._tokenizer, 'streaming', self._tokenizer)", OUT),
    ),
    "Module has no __init__ of its own": (("block", "super().__init__()", OUT),),
}  # fmt: skip


def matches(mutant: Mutant, pattern: tuple[str, str, str]) -> bool:
    exercises, old, new = pattern
    return mutant.problem in exercises.split() and mutant.old == old and new in (ANY, mutant.new)


def reason(mutant: Mutant) -> str:
    """Why a change that is not noticed is no fault; "" where nobody has said so."""
    if whole := UNASKED.get((mutant.problem, mutant.within)):
        return whole
    return next((why for why, those in EXPLAINED.items() if any(matches(mutant, each) for each in those)), "")
