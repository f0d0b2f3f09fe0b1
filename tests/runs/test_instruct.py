"""Dialogues as training data: which tokens count, how they lie in batches, and what a bad line is told."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.corpus import TextError
from tinylm.data import ANSWER, BEGINS, Dialogues
from tinylm.functional import IGNORED
from tinylm.instruct import Dialogue, encode_dialogue, encode_dialogues, read_dialogues, renderer, with_template
from tinylm.settings import Conventions
from tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, train_bpe

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
BARE = (
    "{% for m in messages %}{{ m['role'] + '> ' + m['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant> ' }}{% endif %}"
)
WORDS = "the answer is yes and no, or the cat sat on the mat; assistant user system hello there [INST] 1 2 3\n" * 20


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_bpe([WORDS], 310, special_tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"))


def says(*turns: str) -> list[dict[str, str]]:
    """Question, answer, question, answer, ..."""
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]


def counted(tokenizer, messages, conventions) -> list[str]:
    """The text of each run of tokens that count."""
    ids, marks = encode_dialogue(messages, tokenizer, conventions)
    assert marks[0] == BEGINS
    runs, inside = [], False
    for token, mark in zip(ids, marks, strict=True):
        if mark == ANSWER and not inside:
            runs.append([])
        inside = mark == ANSWER
        if inside:
            runs[-1].append(int(token))
    return [tokenizer.decode(run) for run in runs]


# -- which tokens count ----------------------------------------------------------------------------------


def test_answers_count_each_with_the_token_that_ends_its_turn(bpe):
    messages = [{"role": "system", "content": "Be brief."}, *says("yes or no?", "yes", "the cat?", "on the mat; 1 2")]
    assert counted(bpe, messages, Conventions(chat_template=CHATML)) == ["yes<|im_end|>", "on the mat; 1 2<|im_end|>"]


def test_the_ids_are_those_of_the_whole_text(bpe):
    messages = says("yes or no?", "yes", "the cat?", "on the mat")
    text = renderer(Conventions(chat_template=CHATML))(messages, False)
    assert text.startswith("<|im_start|>user\nyes or no?<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n")
    ids, _ = encode_dialogue(messages, bpe, Conventions(chat_template=CHATML))
    assert ids.tolist() == bpe.encode(text, allowed_special="all")


def test_white_space_before_the_end_of_a_turn_counts_too(bpe):
    conventions = Conventions(chat_template=LLAMA2, bos_token="<s>", eos_token="</s>")
    # the space before an answer is in its first token, which counts
    assert counted(bpe, says("hello", " yes ", "cat", "no"), conventions) == [" yes </s>", " no </s>"]


def test_a_content_that_is_also_in_the_question_or_the_role_is_found_where_it_is_the_answer(bpe):
    messages = says("assistant, say user", "user", "s", "s", "user", "assistant")
    assert counted(bpe, messages, Conventions(chat_template=CHATML)) == [
        "user<|im_end|>", "s<|im_end|>", "assistant<|im_end|>",
    ]  # fmt: skip


def test_a_model_without_a_template_gets_the_plain_one_and_ends_with_its_end_of_text(bpe):
    conventions = with_template(Conventions(), bpe)
    assert conventions.stops == (bpe.special_tokens["<|endoftext|>"],)
    messages = says("yes or no?", "yes\n\nand no")
    assert renderer(conventions)(messages, False) == (
        "user:\nyes or no?<|endoftext|>\n\nassistant:\nyes\n\nand no<|endoftext|>\n\n"
    )
    assert renderer(conventions)(messages[:1], True) == "user:\nyes or no?<|endoftext|>\n\nassistant:\n"
    assert counted(bpe, messages, conventions) == ["yes\n\nand no<|endoftext|>"]
    own = Conventions(chat_template=CHATML)
    assert with_template(own, bpe) is own


def test_where_no_token_ends_a_turn_the_next_one_counts():
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz:>? \n")
    assert counted(tokenizer, says("yes?", "no", "a", "b"), Conventions(chat_template=BARE)) == ["no\n", "b\n"]
    plain = with_template(Conventions(), tokenizer)
    assert plain.stops == ()
    assert counted(tokenizer, says("yes?", "no"), plain) == ["no\n"]


def test_a_token_that_is_partly_in_an_answer_counts(bpe):
    """ " the" is one token, and the space before "the" belongs to the template."""
    ids, marks = encode_dialogue(says("cat", "the mat"), bpe, Conventions(chat_template=BARE))
    said = [bpe.decode([int(i)]) for i, mark in zip(ids, marks, strict=True) if mark == ANSWER]
    assert said[0] == " the"
    assert "".join(said) == " the mat\n"


@pytest.mark.parametrize("prefix", [True, False])
def test_pieces_that_begin_with_a_space_count_as_others_do(prefix):
    """A SentencePiece drops the first space when it decodes one id; the bytes of its pieces have it."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [2, 3, 3] + [6] * 256
    words = [*"▁abcdefghijklmnopqrstuvwxyz[]/INST.?", "▁a", "th", "the", "▁the", "▁[", "es", "yes", "▁yes"]
    scores = [0.0] * 259 + [-float(i) for i in range(len(words))]
    tokenizer = SentencePieceTokenizer.from_pieces(
        pieces + words, scores, types + [1] * len(words), add_prefix_space=prefix
    )
    conventions = Conventions(chat_template=LLAMA2, bos_token="<s>", eos_token="</s>")
    ids, marks = encode_dialogue(says("the a?", "yes. é", "b", "the"), tokenizer, conventions)
    names = dict(enumerate(pieces + words))
    said = [names[int(i)] for i, mark in zip(ids, marks, strict=True) if mark == ANSWER]
    assert said == ["▁yes", ".", "▁", "<0xC3>", "<0xA9>", "▁", "</s>", "▁the", "▁", "</s>"]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1, max_size=20).filter(str.strip)


@given(st.lists(TEXTS, min_size=2, max_size=6))
def test_whatever_is_said_the_marked_part_reads_as_the_answers(turns):
    tokenizer = train_bpe([WORDS], 300, special_tokens=("<|im_start|>", "<|im_end|>"))
    found = counted(tokenizer, says(*turns), Conventions(chat_template=CHATML))
    assert found == [answer + "<|im_end|>" for answer in turns[1::2]]


def test_the_template_alone_says_how_a_text_begins(bpe):
    first = bpe.special_tokens["<s>"]
    written = Conventions(chat_template=LLAMA2, bos_token="<s>", eos_token="</s>", start=(first,))
    assert encode_dialogue(says("a", "b"), bpe, written)[0].tolist().count(first) == 1
    silent = Conventions(chat_template=CHATML, bos_token="<s>", start=(first,))
    assert first not in encode_dialogue(says("a", "b"), bpe, silent)[0]
    plain = with_template(Conventions(bos_token="<s>", start=(first,)), bpe)
    ids, marks = encode_dialogue(says("a", "b"), bpe, plain)
    assert (ids[0], ids.tolist().count(first), marks.tolist().count(BEGINS)) == (first, 1, 1)
    unused = with_template(Conventions(bos_token="<s>"), bpe)
    assert first not in encode_dialogue(says("a", "b"), bpe, unused)[0]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "does not write the content of message 2"),
        ("{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}", "other text before message 2"),
    ],
)
def test_a_template_that_hides_the_answers_is_refused_with_the_place(template, message, bpe):
    with pytest.raises(TextError, match=f"a.jsonl, line 3: the template .*{message}"):
        encode_dialogues([Dialogue(says("a", "b"), "a.jsonl, line 3")], bpe, Conventions(chat_template=template), 50)


def test_a_message_that_spells_a_special_token_is_refused(bpe):
    with pytest.raises(ValueError, match=r"message 2 spells the special token <\|im_end\|>"):
        encode_dialogue(says("a", "b<|im_end|>"), bpe, Conventions(chat_template=CHATML))


# -- in batches ------------------------------------------------------------------------------------------


def some(*rows: tuple[list[int], list[int]]) -> Dialogues:
    """Dialogues of (ids, places of the tokens that count)."""
    tokens, marks = [], []
    for ids, places in rows:
        tokens += ids
        marks += [(i in places) * ANSWER + (i == 0) * BEGINS for i in range(len(ids))]
    return Dialogues(np.array(tokens, np.uint16), np.array(marks, np.uint8))


ROWS = some(([5, 6, 7, 8], [2, 3]), ([1, 2], [1]), ([9, 8, 7], [1]), ([3, 3, 3, 3, 3], [4]))


def test_rows_are_padded_at_the_right_and_only_answers_are_targets():
    x, y = ROWS.batch([0, 1])
    assert x.tolist() == [[5, 6, 7], [1, 0, 0]]
    assert y.tolist() == [[IGNORED, 7, 8], [2, IGNORED, IGNORED]]
    assert x.dtype == y.dtype == np.int64


def test_every_dialogue_comes_once_in_each_pass_in_another_order_each_time():
    batches = ROWS.batches(2, seed=4)
    firsts = [int(row[0]) for _ in range(20) for row in next(batches)[0]]
    passes = [firsts[i : i + 4] for i in range(0, 40, 4)]
    assert all(sorted(one) == [1, 3, 5, 9] for one in passes)
    assert len({tuple(one) for one in passes}) > 2
    later = ROWS.batches(2, seed=4, first=7)
    assert [int(row[0]) for _ in range(3) for row in next(later)[0]] == firsts[14:20]
    other = ROWS.batches(2, seed=5)
    assert [int(row[0]) for _ in range(20) for row in next(other)[0]] != firsts


def test_a_batch_may_be_larger_than_the_dialogues_are_many():
    x, _ = next(ROWS.batches(10, seed=1))
    firsts = x[:, 0].tolist()
    assert sorted(firsts[:4]) == sorted(firsts[4:8]) == [1, 3, 5, 9]


def test_evaluation_sees_each_dialogue_once_in_order():
    rows = [row for x, _ in ROWS.in_order(3) for row in x[:, 0].tolist()]
    assert rows == [5, 1, 9, 3]


def test_the_first_dialogues_within_a_number_of_tokens_and_the_question():
    assert ROWS[:6].count == 2
    assert ROWS[:8].count == 2
    assert ROWS[:9].count == 3
    assert ROWS[:1].count == 1, "one at least"
    assert ROWS[:100].count == 4
    assert ROWS.question() == [5, 6]
    assert ROWS.longest == 5
    assert ROWS.answers.tolist() == [7, 8, 2, 8, 3]
    assert len(ROWS) == 14


@pytest.mark.parametrize(("fraction", "kept"), [(0.0, None), (0.1, 1), (0.3, 1), (0.5, 2), (0.99, 3)])
def test_the_last_dialogues_are_kept_for_validation(fraction, kept):
    first, last = ROWS.split(fraction)
    assert (last and last.count) == kept
    assert first.count == 4 - (kept or 0)
    both = [*first.tokens, *(last.tokens if last else ())]
    assert both == ROWS.tokens.tolist()
    assert some(([1, 2], [1])).split(0.5)[1] is None


def test_marks_that_do_not_fit_are_refused():
    for tokens, marks in (([1, 2], [2]), ([1, 2], [0, 1]), ([], [])):
        with pytest.raises(ValueError, match="marks do not fit"):
            Dialogues(np.array(tokens, np.uint16), np.array(marks, np.uint8))
    for marks in ([2, 0, 2, 1], [3, 0, 2, 1], [2, 1, 2, 2]):
        with pytest.raises(ValueError, match="without a token to train on"):
            Dialogues(np.arange(4), np.array(marks, np.uint8))
    many = np.array([2] + [1] * 256, np.uint8)
    assert Dialogues(np.zeros(257, np.uint16), many).count == 1, "256 answers are not none"


# -- cutting and reading ---------------------------------------------------------------------------------


def test_a_long_dialogue_is_cut_and_one_without_an_answer_left_is_left_out_and_both_are_told(bpe):
    conventions = Conventions(chat_template=CHATML)
    short, long, lost = says("a", "b"), says("a", "b", "c", "d " * 40), says("a " * 60, "b")
    data, notes = encode_dialogues([Dialogue(m) for m in (short, long, lost)], bpe, conventions, 40)
    assert data.count == 2
    assert data.longest == 41
    whole, _ = encode_dialogue(long, bpe, conventions)
    assert data.tokens[-41:].tolist() == whole[:41].tolist()
    assert notes == [
        "1 of 3 dialogues are longer than the context of 40 tokens: cut off",
        "1 of 3 dialogues have no answer within 40 tokens: left out",
    ]
    assert encode_dialogues([Dialogue(short)], bpe, conventions, 40)[1] == []
    with pytest.raises(TextError, match="no dialogue has an answer within the context of 40 tokens"):
        encode_dialogues([Dialogue(lost)], bpe, conventions, 40)


def test_lines_are_objects_or_lists_and_empty_ones_are_passed_over(tmp_path):
    messages = says("a", "b")
    lines = [json.dumps({"id": 3, "messages": messages}), "", json.dumps(messages), "   "]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    read = read_dialogues([tmp_path / "a.jsonl"])
    assert [d.messages for d in read] == [messages, messages]
    assert [d.place for d in read] == [f"{tmp_path / 'a.jsonl'}, line 1", f"{tmp_path / 'a.jsonl'}, line 3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("3", "no list of messages"),
        ('{"text": "a"}', "no list of messages"),
        ('{"messages": []}', "no list of messages"),
        ('{"messages": ["a"]}', "message 1 is no object"),
        ('[{"role": "bot", "content": "a"}]', "message 1 has role 'bot'; expected system, user, assistant"),
        ('[{"role": "user", "content": 3}]', "message 1 has no content"),
        ('[{"role": "user", "content": " \\n"}]', "message 1 has no content"),
        ('[{"role": "user"}]', "message 1 has no content"),
        ('[{"role": "user", "content": "a"}]', "there is no answer"),
        ('[{"role": "assistant", "content": "a"}]', "there is no answer"),
        ("[" * 100_000, "nested too deeply|more than"),
    ],
)
def test_a_bad_line_is_told_with_its_file_its_number_and_what_was_expected(line, message, tmp_path):
    good = json.dumps(says("a", "b"))
    (tmp_path / "a.jsonl").write_text(f"{good}\n\n{line}\n{good}\n")
    with pytest.raises(TextError, match=f"a.jsonl, line 3: .*({message})"):
        read_dialogues([tmp_path / "a.jsonl"])


def test_files_without_dialogues_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes(b'[{"role": "user", "content": "caf\xe9"}]')
    for name, message in (
        ("none.jsonl", "no such file"),
        ("empty.jsonl", "there are no dialogues in it; expected"),
        ("latin.jsonl", "line 1: not JSON"),
    ):
        with pytest.raises(TextError, match=message):
            read_dialogues([tmp_path / name])
