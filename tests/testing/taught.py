"""Little libraries in the way of well-known courses: needle, minitorch, minbpe and CS336."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from tinylm.testing import adapters as adapt
from tokenizer import Tokenizer, merges


class Array:
    """A little tensor of NumPy arrays whose graph is walked newest first; names are added below."""

    def __init__(self, array, requires_grad=True, parents=()):
        self.array, self.parents, self.gradient = np.asarray(array, float), parents, None

    def _new(self, array, *parents):
        return type(self)(array, True, parents)

    def _other(self, other):
        return other if isinstance(other, Array) else self._new(other)

    def __add__(self, other):
        other = self._other(other)
        return self._new(self.array + other.array, (self, lambda d: d), (other, lambda d: d))

    def __mul__(self, other):
        other = self._other(other)
        return self._new(self.array * other.array, (self, lambda d: d * other.array), (other, lambda d: d * self.array))

    def __pow__(self, n):
        slope = n * self.array ** (n - 1) if n else 0 * self.array
        return self._new(self.array**n, (self, lambda d: d * slope))

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -self._other(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * self._other(other) ** -1

    __radd__, __rmul__ = __add__, __mul__

    def walk(self, dy):
        order, todo, seen = [], [(self, False)], set()
        while todo:
            node, done = todo.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                todo += [(node, True), *((parent, False) for parent, _ in node.parents)]
        flying = {self: np.asarray(dy, float)}
        for node in reversed(order):
            d = flying.pop(node)
            for parent, back in node.parents:
                share = back(d)
                while share.ndim > parent.array.ndim:
                    share = share.sum(axis=0)
                for axis, side in enumerate(parent.array.shape):
                    if side == 1:
                        share = share.sum(axis=axis, keepdims=True)
                flying[parent] = flying.get(parent, 0) + share
            if not node.parents:
                node.gradient = d if node.gradient is None else node.gradient + d


class NeedleTensor(Array):
    def numpy(self):
        return self.array

    def backward(self, out_grad=None):
        self.walk(out_grad.array)

    @property
    def grad(self):
        return None if self.gradient is None else NeedleTensor(self.gradient)


class TurnedRound(NeedleTensor):
    __rsub__ = Array.__sub__  # 2 - x is x - 2


class MiniTensor(Array):
    @classmethod
    def make(cls, storage, shape, backend=None):
        assert backend is not None
        return cls(np.array(storage).reshape(shape))

    def requires_grad_(self, x):
        pass

    def to_numpy(self):
        return self.array

    def backward(self, grad_output=None):
        self.walk(grad_output.array)

    @property
    def grad(self):
        return None if self.gradient is None else MiniTensor(self.gradient)


class MinBPE:
    """Training and coding in minbpe's way, by our own readable merging; the class has its attributes and no more."""

    def train(self, text, vocab_size, verbose=False):
        counts = {text.encode(): 1} if text else {}
        found = list(merges(counts, vocab_size - 256, tie_break="first_seen")) if counts else []
        self.merges = {merge.pair: 256 + i for i, merge in enumerate(found)}
        self.vocab = {i: bytes([i]) for i in range(256)} | {256 + i: m.token_bytes for i, m in enumerate(found)}

    def encode(self, text):
        ids = list(text.encode())
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda pair: self.merges.get(pair, 1 << 30))
            if pair not in self.merges:
                break
            i, out = 0, []
            while i < len(ids):
                both = tuple(ids[i : i + 2]) == pair
                out.append(self.merges[pair] if both else ids[i])
                i += 1 + both
            ids = out
        return ids

    def decode(self, ids):
        return b"".join(self.vocab[i] for i in ids).decode("utf-8", "replace")


class CS336Tokenizer:
    def __init__(self, vocab, merge_list, special_tokens=None):
        self.tok = Tokenizer.from_merges(vocab, merge_list, special_tokens)

    def encode(self, text):
        return self.tok.encode(text, allowed_special="all")

    def decode(self, ids):
        return self.tok.decode(ids)

    def encode_iterable(self, lines):
        return self.tok.encode_iterable(lines, allowed_special="all")


def cs336_train(input_path, vocab_size, special_tokens, **more):
    trainer = adapt.tinylm_trainer(tie_break="greatest_bytes")
    coder = trainer.train([Path(input_path).read_bytes().decode()], vocab_size, special_tokens)
    return coder.vocab, coder.merges
