"""Right answers to the problems about the tokenizer, each written in another way than the live one.

As students write them: loops over plain lists, strings, other results where the statement leaves a choice.
"""

from collections import Counter
from itertools import pairwise

import regex

from tokenizer import PATTERNS


def split_special(text, tokens):
    pieces, start, i = [], 0, 0
    while i < len(text):
        here = max((token for token in tokens if text.startswith(token, i)), key=len, default=None)
        if here is None:
            i += 1
            continue
        pieces += [(text[start:i], False)] * (start < i) + [(here, True)]
        i = start = i + len(here)
    return pieces + [(text[start:], False)] * (start < len(text))


def count_texts(texts, pattern="gpt2"):
    found = {}
    for text in texts:
        for match in regex.finditer(PATTERNS[pattern], text):
            found[match.group()] = found.get(match.group(), 0) + 1
    return found


def count_pretokens(source, pattern="gpt2", special_tokens=(), **_):
    stretches = [piece for text in source for piece, special in split_special(text, special_tokens) if not special]
    return {word.encode(): count for word, count in count_texts(stretches, pattern).items()}


def count_pairs(words, counts):
    pairs, where = Counter(), {}
    for number in range(len(words)):
        for i in range(len(words[number]) - 1):
            pair = words[number][i], words[number][i + 1]
            pairs.update({pair: counts[number]})
            where.setdefault(pair, []).extend([] if number in where.get(pair, ()) else [number])
    return pairs, where


def merge_pair(word, pair, token):
    """On a string of letters, in which str.replace does it."""
    text = "".join(chr(0xE000 + i) for i in word)
    text = text.replace("".join(chr(0xE000 + i) for i in pair), chr(0xE000 + token))
    return [ord(letter) - 0xE000 for letter in text]


def huggingface(pair, corpus):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    place = {byte: i for i, byte in enumerate(sorted(range(256), key=lambda byte: (byte not in printable, byte)))}
    return [place.get(i, i) for i in pair]


class Greatest:
    """Compares the other way round."""

    def __init__(self, words):
        self.words = words

    def __lt__(self, other):
        return self.words > other.words


def greatest_bytes(pair, corpus):
    return Greatest(tuple(corpus.tokens[i] for i in pair))


def naive_merges(counts, n_merges, *, tie_break="huggingface"):
    """Counts everything again for every merge."""
    words = [([bytes([byte]) for byte in word], count) for word, count in counts.items()]
    ids = {bytes([byte]): byte for byte in range(256)}
    while n_merges > 0:
        pairs = {}
        for word, count in words:
            for pair in pairwise(word):
                pairs[pair] = pairs.get(pair, 0) + count
        if not pairs:
            return
        top = [pair for pair in pairs if pairs[pair] == max(pairs.values())]
        best = _tie(top, ids, tie_break)
        yield *best, pairs[best]
        ids[b"".join(best)] = len(ids)
        words = [(_joined(word, best), count) for word, count in words]
        n_merges -= 1


def _tie(pairs, ids, rule):
    if rule == "first_seen":
        return pairs[0]
    if rule == "greatest_bytes":
        return max(pairs)
    if rule == "smallest_ids":
        return min(pairs, key=lambda pair: tuple(ids[each] for each in pair))
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return min(pairs, key=lambda pair: tuple((i < 256 and i not in printable, i) if i < 256 else (2, i)
                                             for i in (ids[each] for each in pair)))  # fmt: skip


def _joined(word, pair):
    found, i = [], 0
    while i < len(word):
        both = tuple(word[i : i + 2]) == pair
        found.append(b"".join(pair) if both else word[i])
        i += 2 if both else 1
    return found


def merges(counts, n_merges, *, tie_break="huggingface"):
    """Only words that hold the pair are gone over; the best is looked for among all pairs. Not for first_seen."""
    words, times = [[bytes([byte]) for byte in word] for word in counts], list(counts.values())
    ids = {bytes([byte]): byte for byte in range(256)}
    pairs, where = {}, {}

    def tell(number, sign):
        for pair in pairwise(words[number]):
            pairs[pair] = pairs.get(pair, 0) + sign * times[number]
            where.setdefault(pair, set()).add(number)

    for number in range(len(words)):
        tell(number, 1)
    found = []
    while len(found) < n_merges and (most := max(pairs.values(), default=0)) > 0:
        best = _tie([pair for pair, count in pairs.items() if count == most], ids, tie_break)
        found.append((*best, most))
        ids[b"".join(best)] = len(ids)
        for number in sorted(where[best]):
            tell(number, -1)
            words[number] = _joined(words[number], best)
            tell(number, 1)
    return found


def encode_word(ids, ranks):
    """All occurrences of the best pair at once, as many tokenizers do it."""
    word = list(ids)
    while True:
        pairs = set(pairwise(word)) & set(ranks)
        if not pairs:
            return word
        best = min(pairs, key=lambda pair: ranks[pair][0])
        word = merge_pair(word, best, ranks[best][1])


def encode_long_word(ids, ranks):
    """Ranks in the order of their number, and for each the places where it may be: a set of left ends."""
    import heapq

    right = {i: i + 1 for i in range(len(ids))}
    left = {i + 1: i for i in range(len(ids))}
    token = dict(enumerate(ids))
    heap = []

    def look(i):
        j = right.get(i)
        if i in token and j in token and (token[i], token[j]) in ranks:
            heapq.heappush(heap, (ranks[token[i], token[j]][0], i))

    for i in range(len(ids)):
        look(i)
    while heap:
        rank, i = heapq.heappop(heap)
        j = right.get(i)
        if i not in token or j not in token or ranks.get((token[i], token[j]), (None,))[0] != rank:
            continue
        token[i] = ranks[token[i], token.pop(j)][1]
        right[i] = right[j]
        left[right[i]] = i
        look(i)
        look(left.get(i, -1))
    return [token[i] for i in sorted(token)]


def decode_bytes(ids, tokens):
    data = bytearray()
    for i in ids:
        if i not in tokens:
            raise ValueError(f"{i} is no id")
        data += tokens[i]
    return bytes(data)


def decode_with_offsets(ids, tokens):
    text = b"".join(tokens[i] for i in ids).decode()
    owner = [place for place, letter in enumerate(text) for _ in letter.encode()]
    starts, at = [], 0
    for i in ids:
        starts.append(owner[at])
        at += len(tokens[i])
    return text, starts


class StreamDecoder:
    """Holds back at most the three bytes that may begin a character."""

    def __init__(self, tokenizer, errors="replace"):
        self.tokenizer, self.errors, self.held = tokenizer, errors, b""

    def feed(self, ids):
        self.held += self.tokenizer.decode_bytes([ids] if isinstance(ids, int) else ids)
        for back in (1, 2, 3):
            lead = self.held[-back] if back <= len(self.held) else 0
            if lead >= 0xC0:
                whole = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                cut = len(self.held) - back if back < whole else len(self.held)
                text, self.held = self.held[:cut], self.held[cut:]
                return text.decode("utf-8", self.errors)
        text, self.held = self.held, b""
        return text.decode("utf-8", self.errors)

    def flush(self):
        text, self.held = self.held.decode("utf-8", self.errors), b""
        return text
