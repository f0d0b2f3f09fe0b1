"""The page's mathematics beside Python's: activations, choices, encoding, the model and its training step."""

import math
import random

import numpy as np
import pytest

from tests.explore.models import SETTINGS, VARIANTS, make
from tinylm.choose import Choice, keep_min_p, keep_top_k, keep_top_p, penalize_repetition, pick
from tinylm.explore.step import training_step
from tinylm.ops.activation import GELU_CUBIC, NORMAL_TAIL
from tokenizer import PATTERNS, CharTokenizer, train_bpe

CONSTANTS = {"tail": list(NORMAL_TAIL), "cubic": GELU_CUBIC}


def test_activations_are_exact(javascript):
    points = [*np.linspace(-9, 9, 181).tolist(), 0.0, -30.0, 30.0, 1e-8]
    program = """return ['gelu', 'gelu_tanh', 'swiglu'].map((kind) =>
      data.points.map((x) => [gateOf(x, kind, data.constants), slopeOf(x, kind, data.constants)]))"""
    exact, tanh, silu = javascript(program, {"points": points, "constants": CONSTANTS})
    for x, (gate, slope) in zip(points, exact, strict=True):
        phi = math.erfc(-x / math.sqrt(2)) / 2
        assert gate == pytest.approx(phi, rel=1e-13)
        assert slope == pytest.approx(phi + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi), rel=1e-12, abs=1e-15)
    h = 1e-6
    for x, (gate, slope) in zip(points, tanh, strict=True):
        y = [v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2 for v in (x, x + h, x - h)]
        assert x * gate == pytest.approx(y[0], rel=1e-12, abs=1e-15)
        assert slope == pytest.approx((y[1] - y[2]) / (2 * h), abs=1e-8)
    for x, (gate, slope) in zip(points, silu, strict=True):
        assert gate == pytest.approx(1 / (1 + math.exp(-x)), rel=1e-14)
        assert slope == pytest.approx(gate + x * gate * (1 - gate), rel=1e-12, abs=1e-15)


def rows():
    """Rows of logits, many with ties, and settings whose limits fall right on them."""
    rng = random.Random(5)
    found = []
    for number in range(240):
        size = rng.choice([1, 2, 7, 8, 9, 40, 129, 300])
        logits = [rng.gauss(0, 2) for _ in range(size)]
        if number % 2:
            logits = [round(value) / 2 for value in logits]
        if number % 12 == 0:
            logits = [0.5] * size
        equal = rng.randint(1, size) / size
        found.append({
            "logits": logits, "seen": [rng.randrange(size) for _ in range(rng.randint(1, 5))],
            "k": rng.randint(1, size + 2), "p": rng.choice([rng.random() or 0.5, equal, 1.0, 0.5, 0.25]),
            "m": rng.choice([0.0, rng.random(), 1.0, 0.5]), "penalty": rng.choice([1.0, 1.3, 0.7, 2.0]),
            "temperature": rng.choice([0.0, 0.1, 0.5, 1.0, 1.7]),
            "uniform": rng.choice([0.0, rng.random(), equal, 0.5]) % 1,
        })  # fmt: skip
    return found


def test_every_stage_of_a_choice_is_tinylms(javascript):
    program = """return data.map(({ logits, seen, k, p, m, penalty, uniform }) => {
      logits = Float64Array.from(logits);
      const q = probabilities(logits);
      return { k: Array.from(keepTopK(logits, k)), p: Array.from(keepTopP(q, p)), m: Array.from(keepMinP(q, m)),
        penalty: Array.from(penalizeRepetition(logits, seen, penalty)), q: Array.from(q),
        token: pick(q, uniform) }; })"""
    for row, made in zip(rows(), javascript(program, rows()), strict=True):
        logits, p = np.array(row["logits"]), np.array(made["q"])
        assert made["k"] == keep_top_k(logits, row["k"]).astype(int).tolist()
        assert made["p"] == keep_top_p(p, row["p"]).astype(int).tolist()
        assert made["m"] == keep_min_p(p, row["m"]).astype(int).tolist()
        assert made["penalty"] == penalize_repetition(logits, row["seen"], row["penalty"]).tolist()
        assert made["token"] == pick(p, row["uniform"])
        exact = [math.exp(value) for value in logits - logits.max()]
        np.testing.assert_allclose(p, np.array(exact) / math.fsum(exact), rtol=1e-14)


class Fixed:
    """A generator that draws one number."""

    def __init__(self, number):
        self.random = lambda: number


def test_a_whole_choice_is_tinylms(javascript):
    program = """return data.map(({ logits, seen, k, p, m, penalty, temperature, uniform }) => {
      const settings = { temperature, topK: k, topP: p, minP: m, penalty };
      const made = choose(Float64Array.from(logits), seen, settings, uniform);
      return { p: Array.from(made.p), token: made.token }; })"""
    for row, made in zip(rows(), javascript(program, rows()), strict=True):
        choice = Choice(row["temperature"], row["k"], row["p"], row["m"], row["penalty"])
        step = choice.step(np.array(row["logits"]), row["seen"], Fixed(row["uniform"]))
        np.testing.assert_allclose(made["p"], step.p, atol=1e-14)
        assert made["token"] == step.token


PIECES = ["the", " the", "  ", "\n", " \n ", "\t", "'s", "'S", "don't", "naïve", "日本", "😀", " 12", "3½",
          "...", " !?", "\u00a0", "\u3000", "\x85", "\x1c", "\ufeff", "e\u0301", "_a", "<|endoftext|>", "<|end", "ß",
          "\u200b", "x" * 40, "'ſ", "'LL", "'Ve", "12345", "\r\n", "\n\n  x"]  # fmt: skip


def texts(seed, count, pieces):
    rng = random.Random(seed)
    return ["".join(rng.choices(pieces, k=rng.randint(0, 12))) for _ in range(count)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_page_encodes_as_the_tokenizer_does(javascript, pattern):
    tokenizer = train_bpe(texts(1, 400, PIECES[:-4]), 400, pattern=pattern, special_tokens=("<|endoftext|>",))
    asked = texts(2, 400, PIECES)
    document = {"kind": "bpe", "pattern": pattern, "whole": False, "special": tokenizer.special_tokens}
    document["vocab"] = [tokenizer.vocab[i].hex() for i in range(tokenizer.vocab_size)]
    ids = {token: i for i, token in tokenizer.vocab.items()}
    document["merges"] = [[ids[a], ids[b], ids[a + b]] for a, b in tokenizer.merges]
    found = javascript("return data.texts.map(makeEncoder(data.tokenizer))", {"texts": asked, "tokenizer": document})
    assert found == [tokenizer.encode(text, allowed_special="all") for text in asked]


def test_the_page_encodes_characters_and_names_a_foreign_one(javascript):
    tokenizer = CharTokenizer("hello, wörld 😀")
    document = {"kind": "char", "special": {}, "vocab": [tokenizer.vocab[i].hex() for i in range(tokenizer.vocab_size)]}
    program = """const encode = makeEncoder(data);
      try { encode("hex"); } catch (error) { return [encode("hö😀"), error.message]; }"""
    ids, message = javascript(program, document)
    assert ids == tokenizer.encode("hö😀")
    assert '"x"' in message


def test_a_pattern_that_the_page_cannot_spell_gives_no_encoder(javascript):
    document = {"kind": "bpe", "pattern": "[a-z]+", "special": {}, "vocab": [], "merges": [], "whole": False}
    assert javascript("return makeEncoder(data)", document) is None


@pytest.mark.parametrize("kind", VARIANTS)
def test_the_page_computes_the_model_and_its_training_step(javascript, kind):
    made = make(kind)
    program = """const [document, text] = data, weights = await unpack(document.weights, text, document.dtype);
      const model = makeModel(document.config, weights, document), C = document.config.n_embd;
      const trace = forward(model, document.prompt.ids);
      const step = trainingStep(model, document.training.ids, document.training);
      const list = ([name, values]) => [name, Array.from(values.data ?? values)];
      const lists = (record) => Object.fromEntries(Object.entries(record).map(list));
      const products = ({ name, place }) =>
        step.uses[name].flatMap((use) => termsOf(use, place, step.trace.T)).map((term) => term.product);
      return { logits: Array.from(logitsOf(model, trace.norm.y, trace.T)), losses: Array.from(step.losses),
        norms: step.norms, gradients: lists(step.gradients), changed: lists(step.changed),
        after: lossWith(model, step.changed, document.training.ids),
        sums: document.training.record.probes.map(products) }"""
    page = javascript(program, [made.document, made.weights])
    twin = training_step(made.model, made.text, SETTINGS)
    logits = made.model(np.array([made.prompt]))[0].numpy()[0]
    tolerance = 1e-12 if made.model.dtype == np.float64 else 1e-5  # float32's rounding, through two blocks
    np.testing.assert_allclose(np.reshape(page["logits"], logits.shape), logits, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(page["losses"], twin.losses, rtol=1e-10)
    np.testing.assert_allclose([page["norms"][name] for name in twin.norms], list(twin.norms.values()), rtol=1e-10)
    assert page["after"] == pytest.approx(twin.loss_after, rel=1e-10)
    for probe, products in zip(twin.probes, page["sums"], strict=True):
        shape = dict(made.model.named_parameters())[probe.name].shape
        flat = np.ravel_multi_index(probe.place, shape)
        rounding = 1e-12 * sum(map(abs, products))  # of a sum whose terms may cancel
        assert math.fsum(products) == pytest.approx(probe.gradient, rel=1e-9, abs=rounding)
        assert page["gradients"][probe.name][flat] == pytest.approx(probe.gradient, rel=1e-9, abs=rounding)
        assert page["changed"][probe.name][flat] == pytest.approx(probe.after, rel=1e-9)
