"""The exercises on the GPT: its block, its size, and the table that it uses twice."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinylm.course.exercise import Exercise, case, register
from tinylm.course.spelling import Source
from tinylm.gpt import GPT, Block, GPTConfig
from tinylm.ops import indexing, matmul

Array = Any
Part = Callable[[Array], Array]


def _parameter_count(
    vocab_size: int, block_size: int, n_layer: int, n_embd: int, bias: bool = True, tie_weights: bool = True
) -> int:
    """Counted in a model that is built for it."""
    config = GPTConfig(vocab_size, block_size, n_layer, 1, n_embd, bias=bias, tie_weights=tie_weights)
    return GPT(config).parameter_count()


def _block(x: Array, ln_1: Part, attn: Part, ln_2: Part, mlp: Part) -> Array:
    """The library's block on parts that are given, whatever they are."""

    def attend(x: Array, positions: Any, cache: Any) -> Array:
        return attn(x)

    parts: Any = SimpleNamespace(ln_1=ln_1, attn=attend, ln_2=ln_2, mlp=mlp)
    return Block.forward(parts, x, np.arange(len(x)))


def _tied_gradient(dx: Array, ids: Array, dlogits: Array, x: Array) -> Array:
    """The two backward functions that write into one gradient, and the sum that the engine makes of it."""
    table = np.zeros((dlogits.shape[-1], x.shape[-1]))
    as_embedding, _ = indexing.embedding.reference.backward(np, dx, ids=ids, shape=table.shape)  # type: ignore[misc]
    _, as_head, _ = matmul.linear.reference.backward(  # type: ignore[misc]
        np, dlogits, x=x, weight=table, needs=(False, True, False), transposed=True
    )
    return as_embedding + as_head


_rng = np.random.default_rng(7)


def _numbers(*shape: int) -> Array:
    return _rng.integers(-4, 5, shape) / 2


HALF, PLUS, TWICE = (
    Source("lambda x: x / 2", lambda x: x / 2),
    Source("lambda x: x + 1", lambda x: x + 1),
    Source("lambda x: 2 * x", lambda x: 2 * x),
)
SQUARE, CENTRE, NOTHING = (
    Source("lambda x: x * x", lambda x: x * x),
    Source("lambda x: x - x.mean(-1, keepdims=True)", lambda x: x - x.mean(-1, keepdims=True)),
    Source("lambda x: 0 * x", lambda x: 0 * x),
)

register(
    Exercise(
        "block",
        "Return what one block of a GPT makes of the stream x: attn reads ln_1 of the stream and adds to it; then mlp "
        "reads ln_2 of the stream and adds to it. "
        "x: (T, C), and the four functions map such arrays to such arrays.",
        reference=_block,
        cases=[
            case(np.array([[1.0]]), HALF, NOTHING, HALF, NOTHING),
            case(np.array([[1.0]]), HALF, SQUARE, PLUS, TWICE),
            case(np.array([[1.0, 3.0]]), CENTRE, TWICE, SQUARE, PLUS),
            case(_numbers(3, 2), CENTRE, SQUARE, CENTRE, PLUS),
        ],
    )
)

register(
    Exercise(
        "parameter_count",
        "Return how many numbers a GPT with GPT-2's layers learns: two tables, in each block two layer norms, the two "
        "linear layers of attention and the two of an MLP of width 4 C, a last layer norm, and a head without bias "
        "where it is not tied. Without bias, no linear layer and no norm has one.",
        reference=_parameter_count,
        cases=[
            case(2, 3, 1, 1),
            case(5, 2, 1, 4),
            case(5, 2, 3, 4),
            case(5, 2, 2, 4, bias=False),
            case(65, 16, 2, 8, tie_weights=False),
            case(65, 16, 2, 8, bias=False, tie_weights=False),
        ],
    )
)

register(
    Exercise(
        "tied_gradient",
        "Return the gradient of a table W that is used twice: as embedding, W[ids], whose gradient is dx, and as head, "
        "logits = x Wᵀ, whose gradient is dlogits. "
        "dx, x: (T, C), ids: (T,), dlogits: (T, V) → dW: (V, C)",
        reference=_tied_gradient,
        cases=[
            case(np.array([[1.0]]), np.array([0]), np.array([[2.0]]), np.array([[3.0]])),
            case(np.array([[1.0]]), np.array([1]), np.array([[2.0, -2.0]]), np.array([[3.0]])),
            case(
                np.array([[1.0], [2.0]]), np.array([1, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[3.0], [1.0]])
            ),
            case(_numbers(3, 2), np.array([2, 0, 2]), _numbers(3, 4), _numbers(3, 2)),
        ],
    )
)
