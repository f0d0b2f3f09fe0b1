"""Answers put into the live library: every place is live, the library's own answer changes nothing, all is restored."""

import functools
import math
import sys
import threading
import types
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

import tokenizer
from tinylm import GPT, GPTConfig, data, gradcheck, optim, schedule, tensor
from tinylm import functional as F
from tinylm import train as training
from tinylm.autograd import GradientMismatch, Tensor
from tinylm.course.compare import nearly
from tinylm.course.exercise import UnknownExerciseError
from tinylm.course.expect import quiet
from tinylm.course.problem import Problem, plain, problem_named, problems
from tinylm.course.substitute import substitute
from tinylm.ops import ops
from tinylm.sample import generate

PROBLEMS = problems()
SPECIAL = "<|end|>"
SENTENCE = "The cat sat on the mat; aaaa banana bandana. Ünïcode wörds — 猫は1234 mats!\n"
TEXT = (SENTENCE + SPECIAL) * 45 + "b" * 150  # above the length from which the tokenizer's fast forms run by themselves
WITHIN = nearly(1e-8, 1e-10)  # the sums of a kernel and of a reference form in float64, after two steps

every = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


# -- a small run of everything -------------------------------------------------------------------------


def text_results() -> Iterator[tuple[str, object]]:
    yield "pre-tokens", dict(tokenizer.count.count_pretokens([TEXT], special_tokens=[SPECIAL]))
    for rule in ("huggingface", "smallest_ids", "greatest_bytes", "first_seen"):
        found = tokenizer.merges({b"abab": 2, b"cdcd": 2, b"aaa": 3, b"ba": 1}, 4, tie_break=rule)
        yield rule, [(each.left, each.right, each.count) for each in found]
    tok = tokenizer.train_bpe([TEXT], 275, special_tokens=(SPECIAL,))
    yield "merges", tok.merges
    ids = tok.encode(TEXT, allowed_special="all")
    yield "ids", ids
    yield "short", [tok.encode(SENTENCE), tok.encode("b" * 150), tok.encode_to_array(SENTENCE).tolist()]
    yield "bytes", [tok.decode_bytes(ids), tok.decode_bytes(np.array(ids)), tok.decode(ids[:7])]
    yield "offsets", tok.decode_with_offsets(tok.encode("wö 猫"))
    stream = tokenizer.StreamDecoder(tok)
    yield "stream", [*[stream.feed(i) for i in tok.encode("ö猫")[:-1]], stream.flush()]


CONFIGS = {
    "gpt-2": GPTConfig(vocab_size=276, block_size=8, n_layer=2, n_head=2, n_embd=8),
    "llama": GPTConfig(
        vocab_size=276, block_size=8, n_layer=2, n_head=4, n_embd=16, n_kv_head=2, norm="rms", position="rope",
        mlp="swiglu", bias=False, tie_weights=False,
    ),
}  # fmt: skip


def train(config: GPTConfig, tokens: np.ndarray, steps: int = 2) -> tuple[GPT, list[float]]:
    """A few steps by hand, in float64, as a course writes them."""
    model, rng, losses = GPT(config, seed=1, dtype=np.float64), np.random.default_rng(0), []
    optimizer = optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = schedule.cosine(step, max_lr=1e-2, min_lr=1e-3, warmup=1, total=3)
        x, y = data.get_batch(tokens, 2, 8, rng)
        if step % 2:
            loss = model.loss_alone(x, y)
        else:
            _, loss = model(x, y)
        optimizer.zero_grad()
        loss.backward()
        norm = optim.clip_grad_norm(model.parameters(), 0.5)
        optimizer.step()
        losses += [loss.item(), norm]
    return model, losses


@cache
def tokens() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 276, 60)


def model_results() -> Iterator[tuple[str, object]]:
    for name, config in CONFIGS.items():
        model, losses = train(config, tokens())
        yield f"{name}: losses", losses
        yield f"{name}: logits", model(tokens()[None, :8])[0].numpy()
        choice = {"temperature": 2.0, "top_k": 200, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 2.0}
        yield f"{name}: sampled", list(generate(model, tokens()[:4], 12, **choice, seed=1))
        yield f"{name}: greedy", list(generate(model, tokens()[:4], 6, temperature=0, use_cache=False))
    weight = tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    sgd = optim.SGD([weight], lr=0.1, momentum=0.9)
    for _ in range(2):
        sgd.zero_grad()
        (weight * weight).sum().backward()
        sgd.step()
    yield "sgd", weight.numpy()
    yield "windows", [[list(x), list(y)] for x, y in data.windows_in_order(tokens()[:20], 2, 4)]
    yield "bits", training.bits_per_byte(2.5, 10, 37)


def pattern(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8, 9, shape) / 4 + 1 / 16


def op_results() -> Iterator[tuple[str, object]]:
    """Ops one by one, with gradients: of those, many are in no model."""
    a, b, row = pattern((2, 3)), np.abs(pattern((2, 1), 1)) + 1, pattern((3,), 2)
    x3, heads, keys = pattern((2, 3, 8), 3), pattern((1, 4, 2, 4), 4), pattern((1, 2, 3, 4), 5)
    ids, mask = np.array([[0, 1, 1], [0, 0, 1]]), np.array([[True, False, True], [False, True, True]])
    smooth = {"ignore_index": 1, "label_smoothing": 0.25}
    calls = {
        "multiply": (lambda x, y: x * y, a, b), "divide": (lambda x, y: x / y, a, b), "power": (F.power, b, a),
        "maximum": (F.maximum, a, row), "where": (lambda x, y: F.where(x > 0, x, y), a, row),
        "sum": (lambda x: x.sum(axis=0), a), "mean": (lambda x: x.mean(axis=-1, keepdims=True), a),
        "var": (lambda x: F.var(x, axis=0), a), "max": (lambda x: x.max(axis=-1), a), "all": (lambda x: x.max(), a),
        "relu": (F.relu, a), "sigmoid": (F.sigmoid, a), "tanh": (F.tanh, a), "silu": (F.silu, a), "gelu": (F.gelu, a),
        "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), a), "softmax": (lambda x: F.softmax(x, axis=0), a),
        "large": (F.softmax, a * 1e4), "log_softmax": (lambda x: F.log_softmax(x * 100, axis=0), a),
        "layer_norm": (F.layer_norm, a, row, row), "rms_norm": (F.rms_norm, a, row),
        "layer_norm of equal numbers": (F.layer_norm, a * 0, row), "rms_norm of zeros": (F.rms_norm, a * 0, row),
        "dropout": (lambda x: F.dropout(x, 0.5, rng=np.random.default_rng(0)), a), "matmul": (F.matmul, x3, x3[0].T),
        "linear": (F.linear, x3, pattern((8, 2)), pattern((2,))),
        "transposed": (lambda x, w: F.linear(x, w, transposed=True), x3, pattern((2, 8))),
        "cross_entropy": (lambda x: F.softmax_cross_entropy(x, ids, **smooth), x3),
        "cross_entropies": (lambda x: F.softmax_cross_entropy(x * 1000, ids, reduction="none"), x3),
        "embedding": (lambda t: F.embedding(t, ids), a), "getitem": (lambda x: x[[0, 1, 1]], a),
        "part": (lambda x: x[:, 1], a), "elements": (lambda x: x[[0, 1, 0], [2, 2, 2]], a),
        "attention": (lambda q, k, v: F.attention(q, k, v, mask), heads, keys, keys),
        "gates": (lambda q, k, v: F.attention(q, k, v, dropout=0.5, rng=np.random.default_rng(1)), heads, keys, keys),
        "blind": (lambda q, k, v: F.attention(q, k, v, mask & False), heads, keys, keys),
        "causal": (F.causal_attention, heads, keys, keys), "loud": (F.causal_attention, heads * 1e4, keys, keys),
        "dropped": (
            lambda q, k, v: F.causal_attention(q, k, v, dropout=0.5, rng=np.random.default_rng(1)), heads, keys, keys
        ),
        "rotary": (lambda x: F.rotary(x, np.array([0, 3, 4000])), x3),
        "rotary32": (lambda x: F.rotary(F.astype(x, np.float32), np.array([0, 3, 4000])), x3),
        "split": (lambda x: F.split_heads(x, 2, 3, start=1), x3), "merge": (F.merge_heads, heads),
    }  # fmt: skip
    for name, (function, *arrays) in calls.items():
        for dtype in (np.float64, np.float32):
            leaves = [Tensor(array.astype(dtype), requires_grad=True) for array in arrays]
            y = function(*leaves)
            y.backward(pattern(y.shape, 9).astype(y.dtype))
            if dtype is np.float64:
                yield name, [y.numpy(), *[leaf.grad.numpy() for leaf in leaves]]
    try:
        gradcheck(lambda x: x * x.detach() * x.sum(), pattern((2, 2)), step=0.125)
    except GradientMismatch as found:
        yield "gradcheck", [found.index, found.numeric]


def results() -> dict[str, object]:
    with quiet():
        return {**dict(text_results()), **dict(model_results()), **dict(op_results())}


@cache
def untouched() -> dict[str, object]:
    return results()


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    """What the library does by itself is found out before anything stands in."""
    untouched()


def first_change() -> str | None:
    """The first result that is not what it was, or the error with which one ended."""
    was = untouched()
    with quiet():
        try:
            for found in (text_results, model_results, op_results):
                for name, value in found():
                    if (difference := WITHIN(was[name], value)) is not None:
                        return f"{name}: {difference}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def state() -> list[object]:
    """What there is to be put back: every global of the library but its counters, every method, every kernel."""
    names = [name for name in sorted(sys.modules) if name.split(".")[0] in ("tinylm", "tokenizer")]
    modules = [sys.modules[name] for name in names if not name.startswith("tinylm.course")]
    found: list[object] = [
        (m.__name__, name, id(value)) for m in modules for name, value in vars(m).items() if type(value) is not int
    ]
    tables = [(m.__name__, name, value) for m in modules for name, value in vars(m).items() if type(value) is dict]
    found += [
        (module, name, str(key), id(entry))
        for module, name, table in tables
        for key, entry in table.items()
        if isinstance(entry, types.FunctionType)
    ]
    kinds = {value for m in modules for value in vars(m).values() if isinstance(value, type)}
    found += sorted((str(kind), name, id(value)) for kind in kinds for name, value in vars(kind).items())
    return [*found, *((op.name, id(op.reference), sorted(op.kernels)) for op in ops())]


# -- every problem -------------------------------------------------------------------------------------


@every
def test_the_library_s_own_answer_changes_nothing(problem: Problem) -> None:
    before = state()
    with substitute({problem.name: plain(problem.live)}):
        change = first_change()
    assert change is None, f"{problem.name}: {change}"
    assert state() == before


@every
def test_a_wrong_answer_is_noticed_by_the_library(problem: Problem) -> None:
    unnoticed, before = [], state()
    for fault in problem.faults:
        with substitute({problem.name: problem.faulty(fault)}):
            noticed = first_change() is not None
        if noticed:
            after = set(map(str, state()))
            assert [each for each in before if str(each) not in after] == []  # there may be modules that are new
            return
        unnoticed.append(fault.name)
    pytest.fail(f"{problem.name}: its place is dead; none of {', '.join(unnoticed)} changes anything")


# -- a GPT on a student's attention --------------------------------------------------------------------


def attention_in_loops(xp, q, k, v, gates=None, *, scale=None):
    """Causal attention as somebody writes it who has never seen a matrix product; returns y alone."""
    *lead, H, T, D = q.shape
    G, S, E = v.shape[-3:]
    y = np.zeros((*lead, H, T, E), dtype=q.dtype)
    for place in np.ndindex(*lead, H, T):
        *batch, h, t = place
        group = (*batch, h // (H // G))
        seen = range(t + S - T + 1)
        scores = [sum(q[place][d] * k[group][s][d] for d in range(D)) * (scale or 1 / math.sqrt(D)) for s in seen]
        e = [math.exp(score - max(scores)) for score in scores]
        for s in seen:
            weight = e[s] / sum(e) * (1 if gates is None else gates[place][s])
            for i in range(E):
                y[place][i] += weight * v[group][s][i]
    return y


def gradients_in_loops(xp, dy, *, q, k, v, p, gates, scale):
    """The backward of the same."""
    *lead, H, T, D = q.shape
    G, S, E = v.shape[-3:]
    factor = scale or 1 / math.sqrt(D)
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for place in np.ndindex(*lead, H, T):
        *batch, h, _ = place
        group = (*batch, h // (H // G))
        gate = np.ones(S) if gates is None else gates[place]
        dp = [gate[s] * sum(dy[place][i] * v[group][s][i] for i in range(E)) for s in range(S)]
        along = sum(dp[s] * p[place][s] for s in range(S))
        for s in range(S):
            dv[group][s] += p[place][s] * gate[s] * dy[place]
            ds = p[place][s] * (dp[s] - along) * factor
            dq[place] += ds * k[group][s]
            dk[group][s] += ds * q[place]
    return dq, dk, dv


@pytest.mark.parametrize("name", list(CONFIGS))
@pytest.mark.parametrize(
    "answers",
    [{"causal_attention": attention_in_loops}, {"causal_attention_backward": gradients_in_loops}],
    ids=["forward", "backward"],
)
def test_a_gpt_trains_on_a_student_s_attention_to_the_same_losses(name: str, answers: dict[str, object]) -> None:
    expected = untouched()[f"{name}: losses"]
    calls = []
    counted = {
        key: functools.wraps(answer)(
            lambda *args, _answer=answer, **settings: calls.append(1) or _answer(*args, **settings)
        )
        for key, answer in answers.items()
    }
    with substitute(counted):
        _, losses = train(CONFIGS[name], tokens())
    assert len(calls) == 4  # two layers, two steps: not once did the fast kernel step in
    assert WITHIN(expected, losses) is None


def test_a_wrong_backward_is_noticed_by_gradcheck_through_the_library() -> None:
    arrays = [pattern((1, 2, 3, 2), seed) for seed in (1, 2, 3)]
    gradcheck(F.causal_attention, *arrays)
    with substitute(causal_attention_backward=gradients_in_loops):
        gradcheck(F.causal_attention, *arrays)

    def without_scale(xp, dy, *, q, k, v, p, gates, scale):
        dq, dk, dv = gradients_in_loops(xp, dy, q=q, k=k, v=v, p=p, gates=gates, scale=scale)
        return dq, dk * 2, dv

    with substitute(causal_attention_backward=without_scale), pytest.raises(GradientMismatch, match="argument 1"):
        gradcheck(F.causal_attention, *arrays)


# -- forms of answers ----------------------------------------------------------------------------------


def doubled(xp, x, gain, bias=None, *, eps=1e-5):
    return 2 * x


def one_row() -> tuple[Tensor, np.ndarray]:
    return tensor([[1.0, 3.0]], requires_grad=True, dtype=np.float64), np.ones(2)


def test_a_forward_that_keeps_nothing_gets_from_the_library_what_backward_needs() -> None:
    x, gain = one_row()
    F.layer_norm(x, gain).sum().backward()
    with substitute(layer_norm=doubled):
        y, _ = F.layer_norm(x, gain), x.grad
        assert y.numpy().tolist() == [[2.0, 6.0]]
        x.grad = None
        y.sum().backward()
    assert np.allclose(x.grad.numpy(), 0, atol=1e-12)  # the library's own: all rows of a layer norm add up to 0


def test_a_forward_and_its_backward_may_keep_what_they_like() -> None:
    def forward(xp, x, gain, bias=None, *, eps=1e-5):
        return 2 * x, {"mine": 5.0}

    def backward(xp, dy, *, mine):
        return mine * dy, None, None

    x, gain = one_row()
    with substitute(layer_norm=forward, layer_norm_backward=backward):
        F.layer_norm(x, gain).sum().backward()
    assert x.grad.numpy().tolist() == [[5.0, 5.0]]


def test_a_method_of_a_model_that_exists_is_replaced() -> None:
    model = GPT(CONFIGS["gpt-2"], dtype=np.float64)
    was = model(tokens()[None, :4])[0].numpy()
    with substitute(mlp_forward=lambda self, x: x * 0):
        assert not np.allclose(model(tokens()[None, :4])[0].numpy(), was)
    assert np.array_equal(model(tokens()[None, :4])[0].numpy(), was)


def test_a_tokenizer_forgets_no_word_and_learns_none() -> None:
    tok = tokenizer.train_bpe(["the cat the cat"], 260)
    ids = tok.encode("the cat")
    with substitute(encode_word=lambda ids, ranks: [0]):
        assert tok.encode("the cat") == [0, 0]  # also the words that it had seen
        assert tok.encode("dog") == [0]
    assert tok.encode("the cat") == ids
    assert tok.encode("dog") == list(b"dog")


def test_names_that_were_imported_meanwhile_are_put_back() -> None:
    late = types.ModuleType("tinylm.late_for_this_test")
    with substitute(cosine=lambda step, **settings: 7.0):
        late.cosine = schedule.cosine
        sys.modules[late.__name__] = late
    try:
        assert late.cosine is schedule.cosine
        assert late.cosine(0, max_lr=1.0, min_lr=0.0, warmup=0, total=1) != 7.0
    finally:
        del sys.modules[late.__name__]


# -- in and out again ----------------------------------------------------------------------------------


def now() -> float:
    x, gain = one_row()
    return float(F.layer_norm(x, gain).numpy()[0, 1])


def test_it_is_undone_where_the_block_raises() -> None:
    before = state()
    with pytest.raises(ZeroDivisionError), substitute(layer_norm=doubled, cosine=lambda step, **settings: 1 / 0):
        schedule.cosine(0, max_lr=1.0, min_lr=0.0, warmup=0, total=1)
    assert state() == before


def test_it_needs_no_block() -> None:
    mine = substitute(layer_norm=doubled)
    assert now() == 6.0
    assert repr(mine) == "substitute(layer_norm)"
    mine.undo()
    assert now() < 1.0
    mine.undo()
    assert repr(mine) == "substitute(layer_norm), undone"


@cache
def loud(name: str):
    """A wrong answer that the small run notices."""
    for fault in PROBLEMS[name].faults:
        wrong = PROBLEMS[name].faulty(fault)
        with substitute({name: wrong}):
            if first_change() is not None:
                return wrong
    raise AssertionError(f"{name} has no such fault")


@pytest.mark.parametrize("name", ["layer_norm", "cosine", "mlp_forward", "encode_word", "causal_mask", "adamw_update"])
def test_substitutions_nest_and_may_be_undone_in_any_order(name: str) -> None:
    problem = problem_named(name)
    before, wrong = state(), loud(name)
    first, second = substitute({name: plain(problem.live)}), substitute({name: wrong})
    with_both = first_change()
    first.undo()
    assert first_change() == with_both
    assert with_both is not None
    second.undo()
    assert state() == before
    with substitute({name: wrong}):
        with substitute({name: plain(problem.live)}):
            assert first_change() is None
        assert first_change() == with_both
    assert state() == before


def test_every_thread_sees_it() -> None:
    seen = []
    with substitute(layer_norm=doubled):
        thread = threading.Thread(target=lambda: seen.append(now()))
        thread.start()
        thread.join()
    assert seen == [6.0]


def test_where_one_answer_does_not_fit_none_is_put_in() -> None:
    before = state()
    with pytest.raises(TypeError, match=r"layer_norm_backward: op layer_norm: backward is \(xp, dy"):
        substitute(layer_norm=doubled, cosine=lambda step: 1.0, layer_norm_backward=lambda grad: grad)
    assert state() == before


# -- what is taken from a module or a file -------------------------------------------------------------

FILE = """
import numpy as np
from tinylm.nn import Linear as block
from tinylm.schedule import cosine

def helper(x):
    return x

def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    return 2 * x

def rms_norm(xp, x, gain, *, eps=1e-5):
    raise NotImplementedError("write rms_norm")

class Block:
    def __init__(self, config):
        raise NotImplementedError("write Block.__init__")
"""


def test_of_a_module_what_is_written_is_taken() -> None:
    module = types.ModuleType("my_work")
    exec(FILE, vars(module))
    with substitute(module) as mine:
        assert mine.names == ("layer_norm",)
        assert now() == 6.0
    with substitute(vars(module)) as mine:
        assert mine.names == ("layer_norm",)


def test_what_cannot_be_put_in_is_said() -> None:
    with pytest.raises(UnknownExerciseError, match="did you mean 'layer_norm'"):
        substitute(layernorm=doubled)
    with pytest.raises(TypeError, match="layer_norm must be a function or a class, got int"):
        substitute(layer_norm=3)
    with pytest.raises(ValueError, match="no answer to put in"):
        substitute(types.ModuleType("empty"))
    with pytest.raises(ValueError, match="no answer to put in"):
        substitute()
