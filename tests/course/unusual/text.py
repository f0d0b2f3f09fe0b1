"""Right answers about text and tokens: recursion, regular expressions, queues, and recounting everything."""

import heapq
import re
from collections import Counter

from regex import findall


def merge_pair(word, pair, token):
    if len(word) < 2:
        return list(word)
    if tuple(word[:2]) == tuple(pair):
        return [token, *merge_pair(word[2:], pair, token)]
    return [word[0], *merge_pair(word[1:], pair, token)]


def encode_word(ids, ranks):
    pieces = tuple(ids)
    while True:
        best = min(((ranks[p][0], p) for p in set(zip(pieces, pieces[1:])) if p in ranks), default=None)
        if best is None:
            return list(pieces)
        where = next(i for i in range(len(pieces) - 1) if pieces[i : i + 2] == best[1])
        pieces = (*pieces[:where], ranks[best[1]][1], *pieces[where + 2 :])


def encode_long_word(ids, ranks):
    nodes = [[value, i - 1, i + 1] for i, value in enumerate(ids)]
    queue = []

    def offer(i):
        j = nodes[i][2] if i >= 0 and nodes[i] else len(nodes)
        if i >= 0 and j < len(nodes):
            pair = nodes[i][0], nodes[j][0]
            if pair in ranks:
                heapq.heappush(queue, (ranks[pair][0], i, j, pair))

    for i in range(len(nodes)):
        offer(i)
    while queue:
        _, i, j, pair = heapq.heappop(queue)
        if not nodes[i] or not nodes[j] or nodes[i][2] != j or (nodes[i][0], nodes[j][0]) != pair:
            continue
        after = nodes[j][2]
        nodes[i][0], nodes[i][2], nodes[j] = ranks[pair][1], after, None
        if after < len(nodes):
            nodes[after][1] = i
        offer(nodes[i][1])
        offer(i)
    return [node[0] for node in nodes if node]


def split_special(text, tokens):
    if not tokens:
        return [(text, False)] if text else []
    alternatives = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    return [(part, part in tokens) for part in re.split(f"({alternatives})", text) if part]


def decode_bytes(ids, tokens):
    joined = bytearray()
    for i in ids:
        if i not in tokens:
            raise ValueError(f"there is no token {i}")
        joined += tokens[i]
    return bytes(joined)


def count_texts(texts, pattern="gpt2"):
    gpt2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return Counter(word for text in texts for word in findall(gpt2 if pattern == "gpt2" else pattern, text))
