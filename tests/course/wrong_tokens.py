"""Plausible wrong answers to the exercises on text and its tokens, each of which must be found, and right ones."""

from itertools import pairwise


def utf8_as_latin_1(number):
    return [number] if number < 256 else list(chr(number).encode())


def utf8_one_byte_up_to_128(number):
    return [number] if number <= 128 else list(chr(number).encode())


def utf8_two_bytes_up_to_2048(number):
    return [0xC0 | number >> 6, 0x80 | number & 63] if number == 2048 else list(chr(number).encode())


def utf8_without_marks_on_the_tail(number):
    first, *tail = chr(number).encode()
    return [first, *(byte & 63 for byte in tail)]


def utf8_as_cesu(number):
    data = chr(number).encode("utf-16-be")
    halves = [chr(int.from_bytes(data[i : i + 2])) for i in range(0, len(data), 2)]
    return [byte for half in halves for byte in half.encode("utf-8", "surrogatepass")]


def utf8_as_a_string(number):
    return chr(number).encode()


def merge_leftmost_first(ids, ranks):
    word = list(ids)
    while any(pair in ranks for pair in pairwise(word)):
        i = next(i for i, pair in enumerate(pairwise(word)) if pair in ranks)
        word[i : i + 2] = [ranks[word[i], word[i + 1]][1]]
    return word


def merge_rank_by_rank_in_one_sweep(ids, ranks):
    word = list(ids)
    for pair, (_, token) in ranks.items():  # the order of the mapping, not of the ranks
        i = 0
        while i + 1 < len(word):
            if (word[i], word[i + 1]) == pair:
                word[i : i + 2] = [token]
            i += 1
    return word


def merge_once(ids, ranks):
    word = list(ids)
    found = [(ranks[pair][0], i) for i, pair in enumerate(pairwise(word)) if pair in ranks]
    if found:
        i = min(found)[1]
        word[i : i + 2] = [ranks[word[i], word[i + 1]][1]]
    return word


def merge_with_the_rank_as_id(ids, ranks):
    word = list(ids)
    while found := [(ranks[pair][0], i) for i, pair in enumerate(pairwise(word)) if pair in ranks]:
        rank, i = min(found)
        word[i : i + 2] = [rank]
    return word


def merge_rightmost(ids, ranks):
    word = list(ids)
    while found := [(ranks[pair][0], -i) for i, pair in enumerate(pairwise(word)) if pair in ranks]:
        i = -min(found)[1]
        word[i : i + 2] = [ranks[word[i], word[i + 1]][1]]
    return word


def merge_in_place(ids, ranks):
    while found := [(ranks[pair][0], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]:
        i = min(found)[1]
        ids[i : i + 2] = [ranks[ids[i], ids[i + 1]][1]]
    return ids


def decode_token_by_token(ids, vocab):
    return "".join(vocab[i].decode("utf-8", "replace") for i in ids)


def decode_strictly(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode()


def decode_leaving_out_what_is_broken(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8", "ignore")


def decode_joined_with_spaces(ids, vocab):
    return b" ".join(vocab[i] for i in ids).decode("utf-8", "replace")


def decode_as_latin_1(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("latin-1")


def offsets_in_bytes(ids, vocab):
    places, at = [], 0
    for i in ids:
        places.append(at)
        at += len(vocab[i])
    return places


def offsets_of_texts_decoded_alone(ids, vocab):
    places, at = [], 0
    for i in ids:
        places.append(at)
        at += len(vocab[i].decode("utf-8", "replace"))
    return places


def offsets_of_the_next_character(ids, vocab):
    places, at = [], 0
    for i in ids:
        places.append(at)
        at += sum(byte & 0xC0 != 0x80 for byte in vocab[i])
    return places


def offsets_of_the_end(ids, vocab):
    places, at = [], 0
    for i in ids:
        at += sum(byte & 0xC0 != 0x80 for byte in vocab[i])
        places.append(at - 1)
    return places


def utf8_by_bits(number):
    if number < 128:
        return [number]
    tail = 1 if number < 2048 else 2 if number < 65536 else 3
    first = (0xC0, 0xE0, 0xF0)[tail - 1] | number >> 6 * tail
    return [first, *(128 | number >> 6 * i & 63 for i in reversed(range(tail)))]


def merge_rank_by_rank(ids, ranks):
    word = list(ids)
    while True:
        present = [pair for pair in pairwise(word) if pair in ranks]
        if not present:
            return tuple(word)  # a tuple will do
        best = min(present, key=lambda pair: ranks[pair][0])
        i = list(pairwise(word)).index(best)
        word = [*word[:i], ranks[best][1], *word[i + 2 :]]


def decode_at_once(ids, vocab):
    data = b""
    for i in ids:
        data += vocab[i]
    return str(data, "utf-8", errors="replace")


def offsets_by_looking_up_bytes(ids, vocab):
    owner = [n for n, character in enumerate(b"".join(vocab[i] for i in ids).decode()) for _ in character.encode()]
    starts = [0]
    for i in ids:
        starts.append(starts[-1] + len(vocab[i]))
    return [owner[start] for start in starts[:-1]]


WRONG = {
    "utf8": [
        utf8_as_latin_1, utf8_one_byte_up_to_128, utf8_two_bytes_up_to_2048, utf8_without_marks_on_the_tail,
        utf8_as_cesu, utf8_as_a_string,
    ],
    "merge_word": [
        merge_leftmost_first, merge_rank_by_rank_in_one_sweep, merge_once, merge_with_the_rank_as_id, merge_rightmost,
        merge_in_place,
    ],
    "decode": [
        decode_token_by_token, decode_strictly, decode_leaving_out_what_is_broken, decode_joined_with_spaces,
        decode_as_latin_1,
    ],
    "offsets": [
        offsets_in_bytes, offsets_of_texts_decoded_alone, offsets_of_the_next_character, offsets_of_the_end,
    ],
}  # fmt: skip
RIGHT = {
    "utf8": [utf8_by_bits],
    "merge_word": [merge_rank_by_rank],
    "decode": [decode_at_once],
    "offsets": [offsets_by_looking_up_bytes],
}
