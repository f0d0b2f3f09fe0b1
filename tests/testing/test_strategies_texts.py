"""What the strategies of texts, tokenizers and models draw: see test_strategies.py."""

import numpy as np

import tinylm.testing as t
from tinylm.autograd import tensor
from tinylm.choose import Choice
from tinylm.gpt import GPT
from tinylm.optim import AdamW

from .drawing import drawn, often, smallest


def test_texts_come_from_all_planes_and_have_spaces_at_their_edges():
    for text in often(
        t.texts(),
        empty=lambda x: not x,
        spaces=lambda x: x[:1] == " " or x[-1:] == " ",
        newlines=lambda x: "\n" in x,
        runs=lambda x: "aaaa" in x or "abab" in x,
        accents=lambda x: any(0x80 <= ord(c) < 0x800 for c in x),
        wide=lambda x: any(0x800 <= ord(c) <= 0xFFFF for c in x),
        astral=lambda x: any(ord(c) > 0xFFFF for c in x),
        digits=lambda x: any(c.isdigit() for c in x),
    ):
        text.encode()  # no surrogates
    assert smallest(t.texts()) == ""
    assert len(smallest(t.texts(), lambda x: any(ord(c) > 0xFFFF for c in x))) == 1
    assert set("".join(drawn(t.texts(alphabet="ab")))) == {"a", "b"}


def test_corpora_repeat_and_tie_and_hold_special_tokens():
    special = "<|end|>"
    for corpus in often(
        t.corpora((special,)),
        nothing=lambda c: not c,
        empty=lambda c: "" in c,
        runs=lambda c: any(set(d) == {"a"} and len(d) > 2 for d in c),
        repeated=lambda c: any(len(d.split()) > len(set(d.split())) for d in c),
        special=lambda c: any(special in d for d in c),
        inside=lambda c: any(special in d and d.replace(special, "") for d in c),
        edges=lambda c: any(d != d.strip() for d in c),
        unicode=lambda c: any(not d.isascii() for d in c),
    ):
        assert all(isinstance(document, str) for document in corpus)
    assert smallest(t.corpora()) == []
    assert not any(special in d for c in drawn(t.corpora()) for d in c)


def test_byte_strings_are_often_no_text():
    def is_text(data):
        return data == data.decode("utf-8", "ignore").encode()

    often(t.byte_strings(), least=20, text=lambda b: b and is_text(b), invalid=lambda b: not is_text(b))
    assert smallest(t.byte_strings()) == b""
    assert len(smallest(t.byte_strings(), lambda b: not is_text(b))) == 1


def test_split_points_are_in_order_and_make_empty_chunks():
    for cuts in often(
        t.split_points("hello"),
        ends=lambda c: 0 in c or 5 in c,
        repeated=lambda c: len(set(c)) < len(c),
        inside=lambda c: any(0 < cut < 5 for cut in c),
    ):
        assert cuts == sorted(cuts)
        assert all(0 <= cut <= 5 for cut in cuts)
    assert [] in drawn(t.split_points(5))
    assert smallest(t.split_points(5)) == []


def test_bpe_merges_fit_their_vocabulary():
    for vocab, merges in often(
        t.bpe_merges(),
        many=lambda v: len(v[1]) > 5,
        chained=lambda v: any(len(a) > 1 for a, _ in v[1]),
    ):
        known = {bytes([i]) for i in range(256)}
        for left, right in merges:
            assert left in known
            assert right in known
            assert left + right not in known
            known.add(left + right)
        assert list(vocab) == list(range(256 + len(merges)))
        assert set(vocab.values()) == known
    assert smallest(t.bpe_merges())[1] == []
    assert smallest(t.bpe_merges(), lambda v: v[1])[1] == [(b"a", b"a")]


def test_tokenizers_are_of_every_kind():
    often(
        t.tokenizers(),
        least=5,
        specials=lambda tok: tok.special_tokens,
        gaps=lambda tok: tok.vocab_size > len(tok.vocab),
        merges=lambda tok: tok.merges,
        patterns=lambda tok: tok.pattern != "gpt2",
    )
    assert smallest(t.tokenizers()).vocab_size == 256
    assert all(not tok.special_tokens and tok.pattern == "gpt4" for tok in drawn(t.tokenizers((), "gpt4"))[:20])


def test_gpt_configs_are_of_every_kind_and_small():
    for config in often(
        t.gpt_configs(),
        least=10,
        rope=lambda c: c.position == "rope",
        grouped=lambda c: c.kv_heads < c.n_head,
        rms=lambda c: c.norm == "rms",
        swiglu=lambda c: c.mlp == "swiglu",
        tanh=lambda c: c.mlp == "gelu_tanh",
        untied=lambda c: not c.tie_weights,
        plain=lambda c: not c.bias,
        alone=lambda c: c.block_size == 1,
        one=lambda c: c.vocab_size == 1,
        hidden=lambda c: c.mlp_hidden is not None,
    ):
        assert GPT(config).parameter_count() < 20_000
        assert config.dropout == 0
    least = smallest(t.gpt_configs())
    assert (least.vocab_size, least.block_size, least.n_layer, least.n_head, least.n_embd) == (1, 1, 1, 1, 1)
    assert (least.norm, least.position, least.mlp, least.bias, least.tie_weights) == (
        "layer",
        "learned",
        "gelu",
        True,
        True,
    )
    assert any(config.dropout for config in drawn(t.gpt_configs(dropout=True)))
    assert {config.vocab_size for config in drawn(t.gpt_configs(vocab_size=5))} == {5}


def test_models_have_weights_that_count():
    for model in drawn(t.models())[:20]:
        assert model.dtype == np.float64
        assert abs(model.wte.weight.numpy()).max() > 0.01


def test_settings_are_valid():
    parameter = next(iter(GPT(smallest(t.gpt_configs())).parameters()))
    for how in often(t.optimizer_settings(), still=lambda s: s["lr"] == 0, decay=lambda s: s["weight_decay"]):
        AdamW([parameter], **how)
    for how in often(t.sampling_settings(), greedy=lambda s: s["temperature"] == 0, filters=lambda s: s["top_k"]):
        Choice(**how)
    assert smallest(t.sampling_settings())["temperature"] == 1
    least = smallest(t.optimizer_settings())
    assert least == {"lr": 1e-3, "betas": (0.0, 0.0), "eps": 1e-8, "weight_decay": 0.0}
    before, slope = parameter.numpy().copy(), np.full(parameter.shape, -7.0, parameter.dtype)
    (parameter * tensor(slope)).sum().backward()
    AdamW([parameter], **least).step()
    moved = parameter.numpy() - before
    np.testing.assert_allclose(moved, 1e-3, rtol=1e-5)  # lr, though the slope is -7; float32 rounds at 4e-6 of that
