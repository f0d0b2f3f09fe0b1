"""Why a random change of an answer that the grader does not notice is no fault: (exercise, old, new) → reason."""

EVALUATION = "the exercise runs in evaluation, where nothing is dropped"
HELPER = "a default that the answer never falls back on: it always gives the argument"
SPEED = "it leaves out ids that cannot be kept, to sort fewer: with fewer or none left out the result is the same"

EXPLAINED: dict[tuple[str, str, str], str] = {
    ("tie_greatest_bytes", "(*(-byte for byte in data), 1)", "(*(-byte for byte in data), 2)"):
        "the mark at the end need only be greater than every negated byte, of which 0 is the greatest",
    ("merges", "n_merges or 0", "n_merges or 1"): "only checked: None and 0 are as good as 1 there",
    ("merges", "self.index.pair_counts.get(pair, 0)", "self.index.pair_counts.get(pair, 1)"):
        "an entry of the queue that is out of date is compared with its count then, which is never 1 less",
    ("encode_word", "len(ids) >= LONG", "len(ids) <= LONG"): "the way for long words gives the same for short ones",
    ("decode_bytes", "ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)", "(left out)"):
        "it is for iterators and arrays; the exercise gives lists",
    ("decode_with_offsets", "128 <= byte < 192", "128 <= byte < 193"): "no UTF-8 has the byte 192",
    ("StreamDecoder", "self._decoder.reset()", "(left out)"):
        "the decoder has forgotten everything already: its last bytes were final",
    ("matmul_backward", "db[..., 0]", "db[..., -1]"): "that axis has one element",
    ("softmax_cross_entropy", "xp.where(counted, ids, 0)", "xp.where(counted, ids, -1)"):
        "which logit stands for one that is not counted does not matter",
    ("mean_backward", "max(count, 1)", "max(count, 0)"): "a count of 0 has no element to divide",
    ("var", "x - x.mean(axis=axis, keepdims=True)", "x.mean(axis=axis, keepdims=True) - x"): "it is squared",
    ("unbroadcast", "extra < 0", "extra < -1"): "the strict zip behind it raises the same ValueError",
    ("unbroadcast", "gradient.sum(axis=axes, keepdims=True)", "gradient.sum(axis=axes)"):
        "reshape puts the axes of length 1 back",
    ("attention_forward", "self.resid_dropout(self.c_proj(y))", "self.c_proj(y)"): EVALUATION,
    ("attention_forward", "self.config.dropout if self.training else 0.0", "0.0"): EVALUATION,
    ("attention_forward", "F.attention(q, k, v, cache.mask, dropout=dropout, rng=self.rng)",
     "F.attention(q, k, v, cache.mask, rng=self.rng)"): EVALUATION,
    ("gpt_hidden", "positions.ndim == 1", "positions.ndim != 1"):
        "looking the positions up one by one gives the same rows as the slice",
    ("gpt_hidden",
     "recompute(block, x, positions, cache, rngs=rngs) if self.recompute else block(x, positions, cache)",
     "recompute(block, x, positions, cache, rngs=rngs) if not self.recompute else block(x, positions, cache)"):
        "recomputing changes what is remembered, and no number",
    ("clip_gradients", "scale < 1", "scale <= 1"): "a scale of 1 changes nothing",
    ("cosine", "step - warmup", "warmup - step"): "the cosine of an angle is that of its negative",
    ("penalize_repetition", "np.unique(np.fromiter(seen, dtype=np.int64))", "np.fromiter(seen, dtype=np.int64)"):
        "an id that comes twice is set twice, each time to what its old logit becomes",
    ("keep_top_p", "1 - top_p", "top_p - 1"): SPEED,
    ("keep_top_p", "2 * len(p)", "3 * len(p)"): SPEED,
    ("keep_top_p", "order[:1]", "order[:0]"): "the first id is kept anyway: nothing was gathered before its turn",
    ("pick", "uniform * ends[-1]", "uniform / ends[-1]"): "the probabilities of the exercise add up to 1 exactly",
    ("pick", "int(np.searchsorted(ends, uniform * ends[-1], side='right'))",
     "np.searchsorted(ends, uniform * ends[-1], side='right')"): "a whole number of NumPy is as good",
    ("pick", "token < len(p)", "token <= len(p)"):
        "no number below 1 lies behind the last end, where the probabilities add up to 1 exactly",
    ("choose_token", "len(seen)", "seen"): "the exercise asks for the token and p, not for the position",
}  # fmt: skip
