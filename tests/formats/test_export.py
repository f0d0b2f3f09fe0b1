"""Models written for others, and read back: the same bytes, and in transformers the same logits."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.formats.random_models import FIXTURES, IDS
from tests.formats.test_load import llama2c, tokenizer_bin
from tinylm import GPT, CheckpointError, GPTConfig, no_grad, save
from tinylm.cli import main
from tinylm.formats import load_model
from tinylm.formats.export import export
from tinylm.formats.gguf import read_gguf
from tinylm.storage import from_bfloat16, to_bfloat16
from tokenizer import CharTokenizer, Tokenizer

TOKENIZER = FIXTURES / "llama" / "tokenizer.json"
LLAMA3 = {"type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_context": 16}
SHAPES = {
    "run": {"bias": False},  # as `tinylm train` makes them: GPT-2 elsewhere always has biases
    "gpt2": {"mlp": "gelu_tanh", "dropout": 0.1},
    "gpt2_untied": {"mlp": "gelu_tanh", "tie_weights": False, "norm_eps": 1e-3},
    "llama": {"bias": False, "norm": "rms", "position": "rope", "mlp": "swiglu", "n_kv_head": 2, "tie_weights": False},
    "llama3": {"bias": False, "norm": "rms", "position": "rope", "mlp": "swiglu", "rope_scaling": LLAMA3},
    "wide": {"bias": True, "norm": "rms", "position": "rope", "mlp": "swiglu", "head_dim": 10, "rope_base": 5e5},
    "qwen2": {"bias": False, "qkv_bias": True, "norm": "rms", "position": "rope", "mlp": "swiglu", "mlp_hidden": 32},
}
FORMS = {  # to -> shapes that have that form
    "hf": list(SHAPES),
    "gguf": [name for name in SHAPES if name != "run"],  # its exact GELU is not GPT-2's
    "safetensors": list(SHAPES),
}
CASES = [(to, shape) for to, shapes in FORMS.items() for shape in shapes]


def made(shape: str, folder, block_size: int = 32):
    """A run folder with a random model of that shape."""
    config = GPTConfig(270, block_size, **{"n_layer": 2, "n_head": 4, "n_embd": 32} | SHAPES[shape])
    model = GPT(config, seed=5)
    rng = np.random.default_rng(7)
    for p in model.parameters():
        p.data[...] += rng.standard_normal(p.shape).astype(np.float32) * 0.2
    save(folder, model, Tokenizer.from_huggingface(TOKENIZER))
    return load_model(folder)


def logits(model) -> np.ndarray:
    with no_grad():
        return model.eval()(IDS)[0].numpy()


def files(path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in ([path] if path.is_file() else path.iterdir())}


@pytest.mark.parametrize(("to", "shape"), CASES)
def test_reading_back_gives_the_same_model_to_the_byte(to, shape, tmp_path) -> None:
    original = made(shape, tmp_path / "run")
    export(original, tmp_path / "out", to)
    back = load_model(tmp_path / "out")
    assert back.model.config == original.model.config
    before, after = original.model.state_dict(), back.model.state_dict()
    assert list(before) == list(after)
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert back.tokenizer.vocab == original.tokenizer.vocab
    text = "the cat sat<|end|> on\tthe mät"
    assert back.prompt(text) == original.prompt(text)
    assert (logits(back.model) == logits(original.model)).all()
    export(back, tmp_path / "again", to)
    first, second = files(tmp_path / "out"), files(tmp_path / "again")
    if to == "gguf":  # whose name stands in it
        assert len(first["out"]) + 2 >= len(second["again"]) - 32
    else:
        assert list(first.values()) == list(second.values())


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "llama3"])
@pytest.mark.parametrize("to", ["hf", "gguf", "safetensors"])
def test_a_published_model_goes_out_as_it_came_in(name, to, tmp_path) -> None:
    shutil.copytree(FIXTURES / name, tmp_path / name)
    (tmp_path / name / "chat_template.jinja").write_text("{{ messages }}")
    loaded = load_model(tmp_path / name)
    export(loaded, tmp_path / "out", to)
    back = load_model(tmp_path / "out")
    assert (logits(back.model) == logits(loaded.model)).all()
    assert (back.stops, back.chat_template, back.beginning) == ((269,), "{{ messages }}", loaded.beginning)


def test_a_gguf_file_says_what_others_look_for(tmp_path) -> None:
    export(made("llama3", tmp_path / "run"), tmp_path / "m.gguf", "gguf", "float16")
    file = read_gguf(tmp_path / "m.gguf")
    values = file.metadata
    assert values["general.architecture"] == "llama"
    assert (values["llama.context_length"], values["llama.block_count"]) == (32, 2)
    assert file.tensors["blk.0.attn_q.weight"].type == "F16"
    assert file.tensors["blk.0.attn_norm.weight"].type == "F32"
    assert file.tensors["rope_freqs.weight"].shape == (4,)


def test_queries_in_a_gguf_file_have_their_pairs_side_by_side(tmp_path) -> None:
    original = made("llama", tmp_path / "run")
    export(original, tmp_path / "m.gguf", "gguf")
    ours = original.model.h[0].attn.c_attn.weight.numpy()[:, :32].T.reshape(4, 8, 32)  # (head, D, in)
    theirs = read_gguf(tmp_path / "m.gguf").tensors["blk.0.attn_q.weight"].numpy().reshape(4, 8, 32)
    for i in range(4):
        assert (theirs[:, 2 * i] == ours[:, i]).all()
        assert (theirs[:, 2 * i + 1] == ours[:, i + 4]).all()


@pytest.mark.parametrize("to", ["hf", "safetensors"])
def test_bfloat16_rounds_to_the_nearest(to, tmp_path) -> None:
    original = made("llama", tmp_path / "run")
    export(original, tmp_path / "out", to, "bfloat16")
    back = load_model(tmp_path / "out").model.state_dict()
    for name, array in original.model.state_dict().items():
        assert (back[name] == from_bfloat16(to_bfloat16(array))).all()


def test_eight_bits_stay_close(tmp_path) -> None:
    original = made("llama", tmp_path / "run")
    export(original, tmp_path / "m.gguf", "gguf", "q8_0")
    for keep in (False, True):
        found = load_model(tmp_path / "m.gguf", keep_quantised=keep)
        np.testing.assert_allclose(logits(found.model), logits(original.model), rtol=0, atol=0.3)
    widened = logits(load_model(tmp_path / "m.gguf").model)
    np.testing.assert_allclose(logits(found.model), widened, rtol=0, atol=2e-5)
    assert found.model.parameter_count() < original.model.parameter_count() / 20


def test_settings_that_were_changed_in_config_json_count(tmp_path) -> None:
    export(made("run", tmp_path / "run"), tmp_path / "out", "hf")
    document = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps(document | {"layer_norm_epsilon": 0.5}))
    found = load_model(tmp_path / "out")
    assert (found.model.config.norm_eps, found.model.config.bias) == (0.5, True)


@pytest.mark.parametrize(
    ("to", "changes", "message"),
    [
        ("hf", {"norm": "rms"}, "norm rms, position learned, mlp gelu"),
        ("gguf", {}, "mlp gelu: no architecture that llama.cpp has is so"),
        ("hf", {"n_kv_head": 2}, "2 key heads of 4: no architecture"),
        ("hf", SHAPES["llama"] | {"proj_bias": True}, "neither Llama nor Qwen2 has them so"),
    ],
)
def test_what_has_no_form_elsewhere_is_refused_and_nothing_is_left(to, changes, message, tmp_path) -> None:
    shape = {"vocab_size": 270, "block_size": 32, "n_layer": 1, "n_head": 4, "n_embd": 32} | changes
    save(tmp_path / "run", GPT(GPTConfig(**shape)), Tokenizer.from_huggingface(TOKENIZER))
    with pytest.raises(CheckpointError) as caught:
        export(load_model(tmp_path / "run"), tmp_path / "out", to)
    assert message in str(caught.value)
    assert "--to safetensors" in str(caught.value)
    assert os.listdir(tmp_path) == ["run"]


def test_characters_go_out_in_a_file_of_our_own_only(tmp_path) -> None:
    tokenizer = CharTokenizer(["the cat"])
    save(tmp_path / "run", GPT(GPTConfig(tokenizer.vocab_size, 8, 1, 1, 4)), tokenizer)
    found = load_model(tmp_path / "run")
    for to in ("hf", "gguf"):
        with pytest.raises(CheckpointError, match="characters"):
            export(found, tmp_path / to, to)
    export(found, tmp_path / "m.safetensors", "safetensors")
    back = load_model(tmp_path / "m.safetensors")
    assert back.tokenizer.encode("cat") == tokenizer.encode("cat")
    assert back.model.wte.weight.numpy().tobytes() == found.model.wte.weight.numpy().tobytes()


@pytest.mark.parametrize("to", ["hf", "gguf", "safetensors"])
def test_pieces_of_sentencepiece_go_out_and_come_back(to, tmp_path) -> None:
    (tmp_path / "model.bin").write_bytes(llama2c(0))
    (tmp_path / "tokenizer.bin").write_bytes(tokenizer_bin(270))
    original = load_model(tmp_path / "model.bin")
    export(original, tmp_path / "out", to)
    back = load_model(tmp_path / "out")
    text = "the cat ate  the\n\tcät"
    assert back.prompt(text) == original.prompt(text)
    assert back.tokenizer.decode(back.prompt(text)[1:]) == text
    assert (back.start, back.stops) == ([1], (1, 2))
    assert (logits(back.model) == logits(original.model)).all()


@pytest.mark.torch
def test_pieces_have_the_ids_that_transformers_and_llama_cpp_give(tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "model.bin").write_bytes(llama2c(0))
    (tmp_path / "tokenizer.bin").write_bytes(tokenizer_bin(270))
    original = load_model(tmp_path / "model.bin")
    text = "the cat ate  the\n\tcät"
    export(original, tmp_path / "hf", "hf")
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")(text)["input_ids"] == original.prompt(text)
    llama_cpp = pytest.importorskip("llama_cpp")
    export(original, tmp_path / "m.gguf", "gguf")
    model = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=64, verbose=False, vocab_only=True)
    assert model.tokenize(text.encode(), add_bos=True) == original.prompt(text)


def test_nothing_is_written_over(tmp_path) -> None:
    found = made("gpt2", tmp_path / "run")
    with pytest.raises(CheckpointError, match="is there already"):
        export(found, tmp_path / "run", "hf")
    with pytest.raises(CheckpointError, match="there is no folder"):
        export(found, tmp_path / "no" / "x", "gguf")
    with pytest.raises(CheckpointError, match="q8_0 is a type of GGUF files"):
        export(found, tmp_path / "x", "hf", "q8_0")


def test_the_command_writes_and_says_what(tmp_path, capsys, monkeypatch) -> None:
    made("llama", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["export", "run", "--to", "hf"]) == 0
    assert "run-hf: 0.2 MB (config.json, generation_config.json, model.safetensors" in capsys.readouterr().out
    assert main(["export", "run-hf", "--to", "gguf", "--dtype", "q8_0", "-o", "small.gguf"]) == 0
    assert main(["export", "small.gguf", "--to", "safetensors"]) == 0
    assert (tmp_path / "small.safetensors").is_file()
    capsys.readouterr()
    assert main(["export", "run", "--to", "hf"]) == 2
    assert "run-hf is there already; choose another name with -o" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize("shape", FORMS["hf"])
def test_transformers_gives_the_same_logits_and_ids(shape, tmp_path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    original = made(shape, tmp_path / "run")
    export(original, tmp_path / "out", "hf")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", attn_implementation="eager").eval()
    with torch.no_grad():
        theirs = model(torch.from_numpy(IDS)).logits.numpy()
    np.testing.assert_allclose(logits(original.model), theirs, rtol=0, atol=2e-5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "the cat sat<|end|> on\tthe mät  \n x"
    assert tokenizer(text)["input_ids"] == original.prompt(text)
    assert tokenizer.decode(original.prompt(text)) == text


@pytest.mark.parametrize("shape", ["llama", "qwen2", "llama3", "gpt2"])
def test_llama_cpp_gives_the_same_ids_and_logits(shape, tmp_path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    original = made(shape, tmp_path / "run")
    export(original, tmp_path / "m.gguf", "gguf")
    model = llama_cpp.Llama(
        str(tmp_path / "m.gguf"), n_ctx=32, logits_all=True, verbose=False, n_threads=1, type_k=0, type_v=0
    )  # keys and values in float32, which it keeps in float16 if not told so
    text = "the cat sat on Zoë 12\n\n"
    ids = original.prompt(text)
    assert model.tokenize(text.encode(), add_bos=False, special=True) == ids
    model.eval(ids)
    with no_grad():
        ours = original.model.eval()([ids])[0].numpy()[0]
    close = 0.02 if shape == "gpt2" else 2e-5  # its GELU is a table of float16 numbers: 2^-11 of each
    np.testing.assert_allclose(np.array(model.scores[: len(ids)]), ours, rtol=0, atol=close)


@pytest.mark.torch
@pytest.mark.parametrize("shape", ["llama", "qwen2", "gpt2"])
def test_the_reader_of_gguf_files_of_transformers_gives_the_same_logits(shape, tmp_path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    original = made(shape, tmp_path / "run", block_size=1024)  # it takes every GPT-2's table of positions to be so long
    export(original, tmp_path / "m.gguf", "gguf")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="m.gguf", dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.from_numpy(IDS)).logits.numpy()
    np.testing.assert_allclose(logits(original.model), theirs, rtol=0, atol=2e-5)
