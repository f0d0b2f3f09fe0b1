"""What a page shows of single numbers in a real browser: terms add up, and labels name the head, place and token."""

import itertools
import math
import re

import numpy as np
import pytest

import tinylm
from tests.explore.models import VARIANTS, make
from tests.explore.person import go, set_number
from tinylm.explore.contents import last_logits

AT = {"t": 5, "c": 5, "d": 2, "j": 1, "m": 7, "head": 3}  # no index equals another of its kind, none is the first
READ = """() => Array.from(document.querySelectorAll("#card .receipt"), (box) => ({
    title: box.querySelector("h3").textContent, formula: box.querySelector(".equals")?.textContent ?? "",
    tables: Array.from(box.querySelectorAll("table"), (table) =>
      Array.from(table.querySelectorAll("tbody tr"), (row) => Array.from(row.cells, (cell) => cell.textContent))) }))"""


@pytest.fixture(scope="module", params=VARIANTS)
def made(request):
    return make(request.param)


def value(text):
    return float(text.replace("−", "-"))


def numbers(text):
    return [value(found) for found in re.findall(r"[+−]?\d+(?:\.\d+)?(?:e−?\d+)?", text)]


def look(page, step, **at):
    """Open a step at the place that AT says, whose receipts are returned."""
    go(page, step)
    page.evaluate("(at) => { Object.assign(tinylm.app.at, at); tinylm.app.render(); }", AT | at)
    return page.evaluate(READ)


def adds_up(rows):
    """Each term is the product of its factors, and the terms add up to the last row, all as far as digits are shown."""
    terms, total = [], 0.0
    for label, *factors, shown in rows:
        if label == "in all":
            assert value(shown) == pytest.approx(math.fsum(terms), abs=6e-4 * math.fsum(map(abs, terms)) + 1e-12)
            return
        if label == "the sum, Σ q · k":
            total = math.fsum(terms)
            assert value(shown) == pytest.approx(total, abs=6e-4 * math.fsum(map(abs, terms)))
        elif label.startswith("times"):
            terms = [total * value(shown)]
        else:
            given = [value(factor) for factor in factors if factor]
            if given:
                assert value(shown) == pytest.approx(math.prod(given), rel=2e-3), label
            terms.append(value(shown))
    raise AssertionError(f"no total in {rows}")


def norm_adds_up(rows):
    found = {label: value(shown) for label, shown, _ in rows}
    centred = found["x"] - found.get("μ", 0.0)
    assert found["x̂"] == pytest.approx(centred * found["r"], rel=1e-4, abs=1e-5)
    assert found["y"] == pytest.approx(found["gain"] * found["x̂"] + found.get("bias", 0.0), rel=1e-4, abs=1e-5)


def test_every_receipt_of_the_walk_adds_up(opened, made):
    page, count = opened(), 0
    for step in page.evaluate("tinylm.app.steps.token.map((s) => s.id)"):
        for part, d in (("q", 0), ("k", 2), ("v", 1)) if step.endswith("qkv") else (("q", 2),):  # both of a pair
            for receipt in look(page, step, part=part, d=d):
                if step.endswith("mlp.hidden") and not receipt["tables"]:
                    *factors, product = numbers(receipt["formula"])
                    assert math.prod(factors) == pytest.approx(product, rel=3e-3)
                for rows in receipt["tables"]:
                    if rows[0][0] == "x" and rows[-1][0] == "y":
                        norm_adds_up(rows)
                    elif step != "text":
                        adds_up(rows)
                    count += 1
                if receipt["title"] == "Added to the stream":
                    before, change, after = (value(part.strip()) for part in re.split(r" \+ | − (?=\d)| = ",
                                                                                      receipt["formula"]))  # fmt: skip
                    sign = -1 if " − " in receipt["formula"] else 1
                    assert before + sign * change == pytest.approx(after, abs=2e-5 * (abs(before) + abs(change)))
    assert count >= 8 * made.model.config.n_layer


def test_a_query_key_or_value_is_that_of_its_head_and_column(opened, made):
    page, config = opened(), made.model.config
    C, H, G = config.n_embd, config.n_head, config.kv_heads
    D, group = C // H, AT["head"] * G // H
    weight = dict(made.model.named_parameters())["h.1.attn.c_attn.weight"].numpy()
    for part, column in (("q", AT["head"] * D), ("k", C + group * D), ("v", C + G * D + group * D)):
        receipt = look(page, "h.1.attn.qkv", part=part)[0]
        assert receipt["title"].endswith(f"head {AT['head'] if part == 'q' else group}")
        for label, _, factor, _ in receipt["tables"][0][:8]:
            feature = int(label.removeprefix("feature "))
            assert value(factor) == pytest.approx(weight[feature, column + AT["d"]], rel=1e-3)


def test_attention_weights_are_those_of_the_position_and_the_head(opened, made):
    page = opened()
    with tinylm.trace() as trace:
        made.model(np.array([made.prompt]))
    kept = [getattr(step, "kept", None) or {} for step in trace]
    p = [np.asarray(k["p"])[0] for k in kept if np.ndim(k.get("p")) == 4][1]  # of the second block
    for j, t, head in ((1, 5, 3), (4, 6, 2), (0, 2, 0)):
        told = look(page, "h.1.attn.weights", j=j, t=t, head=head)[0]
        assert told["title"].endswith(f"({j}) for {page.evaluate(f'tinylm.app.label({t})')} ({t}), head {head}")
        assert numbers(told["formula"])[-1] == pytest.approx(p[head, t, j], rel=1e-4)
        readout = page.inner_text("#card .readout")
        assert f"({t}) looks at" in readout
        assert value(readout.rsplit(": ", 1)[1]) == pytest.approx(p[head, t, j], rel=1e-3)
        rows = look(page, "h.1.attn.mix", t=t, head=head)[0]["tables"][0][:-1]
        for label, weight, *_ in rows:
            if "others" not in label:
                assert value(weight) == pytest.approx(p[head, t, int(label.split()[-1])], rel=1e-3, abs=1e-9)


def test_the_last_line_of_the_logit_lens_is_what_the_model_says(opened, made):
    page = opened()
    go(page, "lens")
    rows = page.locator("#card tbody tr")
    logits = last_logits(made.model, made.prompt).astype(float)
    p = np.exp(logits - logits.max())
    layers = made.model.config.n_layer
    assert rows.evaluate_all("rows => rows.map((row) => row.cells[0].textContent)") == [
        "embeddings", *(f"block {layer}" for layer in range(layers))
    ]  # fmt: skip
    assert numbers(rows.last.locator("td").nth(1).inner_text())[0] == pytest.approx(100 * (p / p.sum()).max(), abs=0.06)


def test_the_funnel_counts_what_each_filter_leaves_and_tells_the_interval(opened, made):
    page = opened()
    go(page, "choose")
    set_number(page, "temperature", 1.0)
    set_number(page, "topK", 5)
    set_number(page, "uniform", 0.6)
    logits = np.array(made.document["prompt"]["logits"])
    p = np.exp(logits - logits.max())
    p /= p.sum()
    rows = page.locator("#card .funnel tbody tr").evaluate_all("rows => rows.map((r) => [r.cells[1], r.cells[2]]"
                                                               ".map((c) => c.textContent))")  # fmt: skip
    assert [int(row[0]) for row in rows] == [len(p), 5]
    assert value(rows[1][1].split()[0]) == pytest.approx(100 * np.sort(p)[-5:].sum(), abs=0.06)
    left = np.where(np.isin(np.arange(len(p)), np.argsort(-p, kind="stable")[:5]), p, 0)
    ends = left.cumsum() / left.sum()
    token = page.evaluate("tinylm.app.choice.token")
    _, begin, end, *_ = numbers(page.inner_text("#card .result").split(":")[0])
    assert (begin, end) == pytest.approx((ends[token] - left[token] / left.sum(), ends[token]), abs=2e-6)


def test_the_loss_and_its_gradient_are_told_of_the_chosen_position(opened, made):
    page = opened()
    go(page, "loss")
    logits = made.model(np.array([made.text[:-1]]))[0].numpy()[0].astype(float)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    n, T = 3, len(p)
    target = made.text[n + 1]
    page.evaluate("(n) => tinylm.app.select(n)", n)
    (told,) = page.evaluate(READ)
    names = [page.evaluate(f"tinylm.app.vocabulary.label({i})") for i in (made.text[n], target)]
    assert told["title"] == f"Position {n}: after {names[0]} came {names[1]}"
    likely, loss = numbers(told["formula"])
    assert likely == pytest.approx(p[n, target], rel=1e-3)
    assert loss == pytest.approx(-math.log(p[n, target]), rel=1e-3)
    go(page, "dlogits")
    rows = page.locator("#card tbody tr").evaluate_all("rows => rows.map((r) => Array.from(r.cells, (c) => "
                                                       "c.textContent))")  # fmt: skip
    for label, share, gradient, _ in rows:
        came = label.endswith(" ←")
        expected = (value(share.split()[0].replace("<", "")) / 100 - came) / T
        assert value(gradient) == pytest.approx(expected, abs=6e-4 / T)


def test_a_token_that_was_not_read_has_its_gradient_from_the_output_matrix_alone(opened, made):
    page = opened()
    go(page, "weight")
    row = next(i for i in range(made.model.config.vocab_size) if i not in made.text)
    page.select_option("#parameter", "wte.weight")
    page.fill("#weight-row", str(row))
    uses = page.locator("#card tr:has([data-name^=use-])").evaluate_all(
        "rows => rows.map((r) => [r.cells[1].textContent, Number(r.querySelector('[data-exact]').dataset.exact)])"
    )
    if made.model.config.tie_weights:
        assert [use for use, _ in uses] == ["as the output matrix", "as an embedding"]
        assert uses[1][1] == 0 != uses[0][1]
    else:
        assert uses == []
        assert page.get_attribute("#card [data-name=gradient]", "data-exact") == "0"


def test_a_weight_is_called_by_what_it_joins(opened, made):
    page, config = opened(), made.model.config
    go(page, "weight")
    C, G, D = config.n_embd, config.kv_heads, config.n_embd // config.n_head
    for column, name in ((C - 1, f"q[{D - 1}] of head {config.n_head - 1}"), (C + 1, "k[1] of head 0"),
                         (C + G * D + 2, "v[2] of head 0")):  # fmt: skip
        page.select_option("#parameter", "h.0.attn.c_attn.weight")
        page.fill("#weight-row", "3")
        page.fill("#weight-column", str(column))
        told = page.inner_text("#card .receipt h3")
        assert told.endswith(f"[3, {column}]: from input 3 to output {column}, {name}")


def test_gains_say_that_they_do_not_decay_and_matrices_by_how_much(opened, made):
    page = opened()
    go(page, "update")
    page.fill("#set-weight_decay", "0")  # also then a matrix is one that decays: by 0
    page.keyboard.press("Tab")
    go(page, "weight")
    for name, told in (("ln_f.weight", "gains and biases do not decay"), ("wte.weight", "− lr · λ · before, λ = 0")):
        page.select_option("#parameter", name)
        assert page.inner_text("#card tr:has([data-name=decay]) td:nth-child(2)") == told


def test_positions_are_counted_from_the_first_token_that_is_seen(opened, made):
    page, block = opened(), made.model.config.block_size
    page.evaluate("(ids) => tinylm.app.setIds(ids, 0)", [*range(5, 9), *range(block)])
    go(page, "text")
    cells = page.locator("#card tbody tr td:first-child").all_inner_texts()
    assert cells[: block + 4] == ["not seen"] * 4 + [str(t) for t in range(block)]
    assert page.evaluate("tinylm.app.at.t") == block - 1


def test_remarks_say_what_this_model_lacks(opened, made):
    page, bare = opened(), not made.model.config.bias
    for step, words in (("h.0.attn.c_proj", "no biases: no b"), ("ln_f", "no biases: y = gain · x̂")):
        go(page, step)
        expected = bare and not (step == "ln_f" and made.model.config.norm == "rms")
        assert (words in page.inner_text("#card .ops")) == expected
    go(page, "logits")
    assert "The output matrix has no bias" in page.inner_text("#card .ops")


def test_the_merges_of_a_token_are_told_in_the_order_in_which_it_is_encoded(opened, made):
    page, tokenizer = opened(), made.tokenizer
    merges = getattr(tokenizer, "merges", [])
    page.evaluate("(id) => tinylm.app.setIds([id], 0)", made.prompt[0] if not merges else len(tokenizer.vocab) - 2)
    go(page, "text")
    if not merges:  # characters: nothing was merged
        assert page.evaluate(READ) == []
        return
    for a, b in merges[-12:]:
        page.evaluate("(id) => tinylm.app.setIds([id], 0)", next(i for i, t in tokenizer.vocab.items() if t == a + b))
        (rows,) = page.evaluate(READ)[0]["tables"]
        word = [bytes([byte]) for byte in a + b]
        expected = []
        while len(word) > 1:  # the pair that was learnt first, the leftmost of its kind
            pairs = list(itertools.pairwise(word))
            at = min(range(len(pairs)), key=lambda i: merges.index(pairs[i]) if pairs[i] in merges else len(merges))
            expected.append(merges.index(pairs[at]))
            word[at : at + 2] = [word[at] + word[at + 1]]
        assert [int(rank) for rank, *_ in rows] == expected
