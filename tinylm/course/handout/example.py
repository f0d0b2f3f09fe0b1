"""A course of five weeks, as the text of a COURSE.toml to begin with."""

import textwrap
from datetime import date, timedelta

from tinylm.course.problem import problems

__all__ = ["WEEKS", "example"]

FIRST = date(2027, 3, 1)  # of a course, for the sake of example

HEAD = '''# A course for tinylm. Change it, and then: tinylm handout COURSE.toml -o course
# Exercises: tinylm stub --list

title = "A language model from scratch"
text = """
In five weeks you write the parts of a language model: from text to tokens, from tokens to a trained GPT, from a trained
GPT to new text. Every part that you write can stand in for the library's own.
"""

# What students type to have tinylm; where it comes from your own server, say so here.
# install = "pip install 'tinylm[course]'"

# Settings of their own for everybody, so that answers cannot be passed on: ids, and a secret of 8 characters or more
# in a file beside this one (or in TINYLM_SECRET, which also makes hidden tests that nobody can guess).
# students = ["ada", "ben"]
# secret_file = "secret.txt"
'''

WEEKS = (
    (
        "Text to tokens",
        "A tokenizer learns which pairs of tokens to merge, and then uses what it has learnt. You write both halves: "
        "counting, merging, encoding a word, and back to text.",
        ("count_texts", "count_pairs", "merge_pair", "tie_greatest_bytes", "merges", "encode_word", "decode_bytes",
         "split_special"),
    ),
    (
        "Embeddings, normalisation and loss",
        "Ids become vectors, vectors are brought to one scale, and the last ones become probabilities. Each part comes "
        "with its derivative, which you work out on paper first.",
        ("embedding", "embedding_backward", "layer_norm", "layer_norm_backward", "rms_norm", "softmax",
         "softmax_backward", "softmax_cross_entropy"),
    ),
    (
        "Attention",
        "Every position looks back at what came before it, and at nothing after it. At the end of this week a GPT "
        "trains on your attention.",
        ("causal_mask", "split_heads", "merge_heads", "rotary", "attention", "attention_backward"),
    ),
    (
        "The block, and autograd",
        "The rest of a transformer's block, and the engine that carries gradients through all of it.",
        ("linear", "linear_backward", "gelu", "gelu_backward", "mlp_forward", "block", "numerical_gradient",
         "unbroadcast", "backward_pass"),
    ),
    (
        "Training and sampling",
        "Batches, an optimizer, a schedule; then the choice of the next token, one filter at a time.",
        ("get_batch", "adamw_update", "clip_gradients", "cosine", "bits_per_byte", "probabilities", "keep_top_k",
         "keep_top_p", "choose_token"),
    ),
)  # fmt: skip


def example() -> str:
    """A COURSE.toml of five weeks over the exercises there are."""
    known = problems()
    parts = [HEAD]
    for number, (title, text, names) in enumerate(WEEKS, 1):
        listed = "".join(f'    "{name}",\n' for name in names if name in known)
        if listed:
            day = FIRST + timedelta(weeks=number)
            parts.append(
                f'\n[[weeks]]\ntitle = "{title}"\ntext = """\n{_filled(text)}\n"""\n'
                f'due = "end of week {number}"  # or a date: {day}\nexercises = [\n{listed}]\n'
            )
    parts.append('\n# Points follow from the level of an exercise; or say them: { name = "layer_norm", points = 5 },\n')
    return "".join(parts)


def _filled(text: str) -> str:
    return textwrap.fill(text, 110)
