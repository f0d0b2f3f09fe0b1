"""`tinylm.load` of whatever a path holds: llama2.c, nanoGPT, runs, files of our own, and what is none of them."""

import json
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinylm
from tests.formats.random_models import FIXTURES, IDS
from tinylm import GPT, CheckpointError, GPTConfig, no_grad, save
from tinylm.formats import load_model
from tinylm.formats.export import export
from tinylm.formats.names import LAYOUTS, half_and_half, places
from tinylm.formats.safetensors import read_safetensors
from tinylm.storage import write_tensors
from tokenizer import Tokenizer


def logits(model) -> np.ndarray:
    with no_grad():
        return model.eval()(IDS)[0].numpy()


# -- names -------------------------------------------------------------------------------------------------


@given(
    layers=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    size=st.sampled_from([None, 6]),
    norm=st.sampled_from(["layer", "rms"]),
    rope=st.booleans(),
    mlp=st.sampled_from(["gelu", "swiglu"]),
    flags=st.tuples(*[st.booleans()] * 5),
)
def test_places_are_the_parameters_of_the_model_in_its_order(layers, groups, size, norm, rope, mlp, flags) -> None:
    bias, tied, *parts = flags
    config = GPTConfig(
        11, 7, layers, 4, 8, bias=bias, tie_weights=tied, norm=norm, position="rope" if rope else "learned", mlp=mlp,
        n_kv_head=groups, head_dim=size, qkv_bias=parts[0], proj_bias=parts[1] or None, mlp_bias=parts[2],
    )  # fmt: skip
    found = {place.name: place.shape for place in places(config, LAYOUTS["ours"])}
    expected = {name: p.shape for name, p in GPT(config).named_parameters()}
    assert list(found.items()) == list(expected.items())


def test_half_and_half_turns_pairs_of_every_head() -> None:
    assert half_and_half(2, 6).tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


# -- llama2.c ----------------------------------------------------------------------------------------------


def side_by_side(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys as llama2.c has them: the first half of a head on even places, the second on odd."""
    out = np.empty_like(rows)
    size = len(rows) // heads
    for h in range(heads):
        for i in range(size // 2):
            out[h * size + 2 * i] = rows[h * size + i]
            out[h * size + 2 * i + 1] = rows[h * size + size // 2 + i]
    return out


def llama2c(version: int) -> bytes:
    """The fixture's Llama as llama2.c exports models, untied."""
    arrays, _ = read_safetensors(FIXTURES / "llama" / "model.safetensors")
    x = {name.removesuffix(".weight").removeprefix("model."): array.numpy() for name, array in arrays.items()}
    for name in list(x):
        if name.endswith(("q_proj", "k_proj")):
            x[name] = side_by_side(x[name], 4 if "q_proj" in name else 2)
    parts = ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
             "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"]  # fmt: skip

    def every(*names):
        return [x[f"layers.{layer}.{name}"] for name in names for layer in range(2)]

    if version == 0:
        waves = np.zeros((2, 64, 3), np.float32)
        order = [x["embed_tokens"], *every(*parts), x["norm"], waves, x["lm_head"]]
        head = struct.pack("<7i", 24, 40, 2, 4, 2, -270, 64)
    else:
        norms = every(parts[0], parts[5])
        order = [*norms, x["norm"], x["embed_tokens"], *every(*[p for p in parts if "norm" not in p]), x["lm_head"]]
        head = struct.pack("<Ii7iB", 0x616B3432, 1, 24, 40, 2, 4, 2, 270, 64, 0).ljust(256, b"\0")
    return head + b"".join(np.ascontiguousarray(a, "<f4").tobytes() for a in order)


def tokenizer_bin(count: int) -> bytes:
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(b"<0x%02X>" % byte for byte in range(256))]
    pieces += [b" ", b"t", b"h", b"e", b"th", b"the", b" the", b"c", b"a", b"at", b"cat"][: count - len(pieces)]
    scored = b"".join(struct.pack("<fi", -float(i), len(piece)) + piece for i, piece in enumerate(pieces))
    return struct.pack("<i", 6) + scored


@pytest.mark.parametrize("version", [0, 1])
def test_a_llama2c_file_gives_the_logits_of_the_model_it_was_made_of(version, tmp_path) -> None:
    (tmp_path / "model.bin").write_bytes(llama2c(version))
    (tmp_path / "tokenizer.bin").write_bytes(tokenizer_bin(270))
    found = load_model(tmp_path / "model.bin")
    original = load_model(FIXTURES / "llama").model
    same = GPT(replace(original.config, norm_eps=1e-5))  # the one that run.c has in its code
    same.load_state_dict(original.state_dict())
    assert (logits(found.model) == logits(same)).all()
    assert (found.kind, found.start, found.stops) == ("llama2.c", [1], (1, 2))
    ids = found.prompt("the cat")
    assert ids[0] == 1
    assert found.tokenizer.decode(ids[1:]) == "the cat"


def test_a_llama2c_file_without_a_tokenizer_says_where_to_put_it(tmp_path) -> None:
    (tmp_path / "model.bin").write_bytes(llama2c(0))
    with pytest.raises(CheckpointError, match=r"put tok270\.bin or tokenizer\.bin beside it"):
        load_model(tmp_path / "model.bin")
    given_ = Tokenizer.from_huggingface(FIXTURES / "llama" / "tokenizer.json")
    assert load_model(tmp_path / "model.bin", tokenizer=given_).tokenizer is given_


# -- nanoGPT -----------------------------------------------------------------------------------------------


def nanogpt(folder, prefix="", metadata=None, config=None):
    """The fixture's GPT-2 as nanoGPT saves it: matrices (out, in)."""
    arrays, _ = read_safetensors(FIXTURES / "gpt2" / "model.safetensors")
    turned = {}
    for name, array in arrays.items():
        x, plain = array.numpy(), name.removeprefix("transformer.")
        turned[prefix + plain] = np.ascontiguousarray(x.T) if "c_" in plain and x.ndim == 2 else x
    folder.mkdir(exist_ok=True)
    write_tensors(folder / "model.safetensors", turned, metadata or {})
    shutil.copy(FIXTURES / "gpt2" / "tokenizer.json", folder)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("prefix", ["", "transformer.", "_orig_mod.transformer."])
def test_a_nanogpt_state_dict_gives_the_logits_of_the_model_it_was_made_of(prefix, tmp_path) -> None:
    folder = nanogpt(tmp_path / "m", prefix, {"n_head": "3", "activation": "new_gelu"})
    wanted = logits(load_model(FIXTURES / "gpt2").model)
    assert (logits(load_model(folder).model) == wanted).all()
    assert (logits(load_model(folder / "model.safetensors").model) == wanted).all()
    noted = nanogpt(
        tmp_path / "n", prefix, config={"model_args": {"n_head": 3, "n_layer": 2, "activation": "new_gelu"}}
    )
    assert (logits(load_model(noted).model) == wanted).all()
    few = nanogpt(tmp_path / "o", prefix, {"model_args": '{"n_head": 3}'})
    assert load_model(few).model.config.mlp == "gelu"  # nanoGPT's own


@pytest.mark.parametrize(
    ("metadata", "config", "message"),
    [
        ({}, None, 'how many heads it has is noted nowhere: save it with metadata={"n_head": "12"}'),
        ({"n_head": "5"}, None, "n_embd 24 is not divisible by n_head 5"),
        ({"n_head": "many"}, None, "n_head must be a whole number"),
        ({"n_head": "3"}, {"block_size": 64}, "block_size is noted as 64, the arrays have 32"),
        ({"n_head": "3", "activation": "relu"}, None, "activation 'relu'; supported are"),
    ],
)
def test_what_a_nanogpt_state_dict_lacks_is_told(metadata, config, message, tmp_path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_model(nanogpt(tmp_path / "m", metadata=metadata, config=config))
    assert message in str(caught.value)


# -- our own -----------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    tokenizer = Tokenizer.from_huggingface(FIXTURES / "gpt2" / "tokenizer.json")
    save(tmp_path / "run", GPT(GPTConfig(270, 8, 1, 2, 8), seed=2), tokenizer)
    return tmp_path / "run"


def test_a_run_says_how_it_is_to_be_used(run) -> None:
    found = load_model(run)
    assert (found.kind, found.start, found.beginning, found.stops, found.notes) == ("run", [], [0], (), ())
    document = json.loads((run / "config.json").read_text())
    document["use"] = {"start": [5], "stops": [6, 7], "chat_template": "t", "bos_token": "<s>"}
    document["start"] = [9]
    (run / "config.json").write_text(json.dumps(document))
    found = load_model(run)
    assert (found.start, found.beginning, found.stops, found.chat_template) == ([5], [9], (6, 7), "t")
    assert tinylm.load(run)[0].config == found.model.config


@pytest.mark.parametrize(
    "use", [[], {"stops": [270]}, {"stops": 5}, {"start": [-1]}, {"start": [True]}, {"chat_template": 5}]
)
def test_a_run_whose_use_makes_no_sense_is_refused(run, use) -> None:
    document = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(document | {"use": use}))
    with pytest.raises(CheckpointError, match=r"config\.json: "):
        load_model(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tinylm": "9"}, "version '9', this program reads 1"),
        ({"config": "{"}, "config is not JSON"),
        ({"config": "[]"}, "config is not an object"),
        ({"config": '{"vocab_size": 5}'}, "missing model setting block_size"),
        ({"tokenizer.json": "{}"}, "not a tokenizer file of ours"),
        ({"use": '{"stops": [999]}'}, "ids [999] are to begin or end a text, but the model has 270 only"),
        ({"use": '{"stops": 9}'}, "stops must be a list of token ids, got 9"),
    ],
)
def test_a_file_of_our_own_that_is_damaged_is_refused(run, changes, message, tmp_path) -> None:
    export(load_model(run), tmp_path / "m.safetensors", "safetensors")
    arrays, metadata = read_safetensors(tmp_path / "m.safetensors")
    write_tensors(tmp_path / "m.safetensors", {n: a.numpy() for n, a in arrays.items()}, metadata | changes)
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "m.safetensors")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "m.safetensors"))


def test_what_is_no_model_is_told_with_what_is(run, tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no such folder or file; `tinylm train --out .*none`"):
        load_model(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"none\.gguf: there is no such folder or file$"):
        load_model(tmp_path / "none.gguf")
    (tmp_path / "text.txt").write_text("some text, and more")
    with pytest.raises(CheckpointError, match="not a model that is read here; supported are a run folder of tinylm"):
        load_model(tmp_path / "text.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"there is no config\.json in it; supported are"):
        load_model(tmp_path / "empty")
    (tmp_path / "empty" / "a.gguf").touch()
    with pytest.raises(CheckpointError, match=r"it holds a\.gguf: give that file"):
        load_model(tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="says neither that it is a run of tinylm nor a model_type"):
        load_model(tmp_path / "empty")
    with pytest.raises(CheckpointError, match=r"weights alone; give the folder"):
        load_model(FIXTURES / "llama" / "model.safetensors")
    with pytest.raises(CheckpointError, match="keep_quantised is for GGUF files, this is a huggingface model"):
        load_model(FIXTURES / "llama", keep_quantised=True)
