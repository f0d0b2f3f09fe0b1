"""Answers to the exercises on the training of a tokenizer: plausible wrong ones, each to be found, and right ones."""

from collections import Counter
from itertools import chain, pairwise


def count_each_word_once(words):
    return dict(Counter(pair for word in words for pair in pairwise(word)))


def count_across_words(words):
    tokens = chain.from_iterable(word * count for word, count in words.items())
    return dict(Counter(pairwise(tokens)))


def count_each_pair_once_in_a_word(words):
    counts = Counter()
    for word, count in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += count
    return dict(counts)


def count_without_overlap(words):
    counts = Counter()
    for word, count in words.items():
        i = 0
        while i + 1 < len(word):
            counts[word[i], word[i + 1]] += count
            i += 2 if word[i] == word[i + 1] else 1
    return dict(counts)


def count_joined_bytes(words):
    counts = Counter()
    for word, count in words.items():
        for left, right in pairwise(word):
            counts[left + right] += count
    return dict(counts)


def count_the_last_word_only(words):
    counts = {}
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] = count
    return counts


def merge_looking_back(word, pair, token):
    merged = []
    for i, each in enumerate(word):
        if i and (word[i - 1], each) == pair:
            merged[-1:] = [token]
        else:
            merged.append(each)
    return merged


def merge_the_first_alone(word, pair, token):
    for i, here in enumerate(pairwise(word)):
        if here == pair:
            return [*word[:i], token, *word[i + 2 :]]
    return list(word)


def merge_losing_the_last(word, pair, token):
    merged, i = [], 0
    while i + 1 < len(word):
        both = (word[i], word[i + 1]) == pair
        merged.append(token if both else word[i])
        i += 2 if both else 1
    return merged


def merge_from_the_right(word, pair, token):
    merged, i = [], len(word)
    while i > 0:
        both = i > 1 and (word[i - 2], word[i - 1]) == pair
        merged.append(token if both else word[i - 1])
        i -= 2 if both else 1
    return merged[::-1]


def merge_the_pair_either_way(word, pair, token):
    merged, i = [], 0
    while i < len(word):
        both = i + 1 < len(word) and {word[i], word[i + 1]} == set(pair)
        merged.append(token if both else word[i])
        i += 2 if both else 1
    return merged


def best_is_the_first(counts):
    return max(counts, key=counts.get)


def best_is_the_smallest(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair))


def best_by_joined_bytes(counts):
    return max(counts, key=lambda pair: (counts[pair], len(pair[0] + pair[1]), pair))


def best_by_the_right_one(counts):
    return max(counts, key=lambda pair: (counts[pair], pair[1], pair[0]))


def best_with_its_count(counts):
    best = max(counts, key=lambda pair: (counts[pair], pair))
    return best, counts[best]


def best_by_bytes_alone(counts):
    return max(counts)


def _train(words, n, *, key=lambda item: (item[1], item[0]), recount=True, early=True, across=True):
    tokens = {word: [bytes([byte]) for byte in word] for word in words}
    merges, counts = [], None
    for _ in range(n):
        if recount or counts is None:
            counts = Counter()
            for word, count in words.items():
                for pair in pairwise(tokens[word]):
                    counts[pair] += count
        counts = {pair: count for pair, count in counts.items() if pair not in merges}
        if not counts:
            if early:
                break
            raise ValueError("no pair left")
        best = max(counts.items(), key=key)[0]
        merges.append(best)
        for word in list(tokens) if across else list(tokens)[:1]:
            tokens[word] = list(_merged(tokens[word], best))
    return merges


def _merged(word, pair):
    i = 0
    while i < len(word):
        both = i + 1 < len(word) and (word[i], word[i + 1]) == pair
        yield word[i] + word[i + 1] if both else word[i]
        i += 2 if both else 1


def train_without_counting_again(words, n):
    return _train(words, n, recount=False)


def train_with_the_first_of_equals(words, n):
    return _train(words, n, key=lambda item: item[1])


def train_until_it_breaks(words, n):
    return _train(words, n, early=False)


def train_on_the_first_word_alone(words, n):
    return _train(words, n, across=False)


def train_with_joined_tokens(words, n):
    return [left + right for left, right in _train(words, n)]


def train_one_too_few(words, n):
    return _train(words, max(n - 1, 0))


def train_unweighted(words, n):
    return _train(dict.fromkeys(words, 1), n)


def count_in_loops(words):
    counts = {}
    for word, count in words.items():
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] = counts.get((word[i], word[i + 1]), 0) + count
    return counts


def merge_with_a_loop(word, pair, token):
    return list(_replaced(word, pair, token))


def _replaced(word, pair, token):
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == tuple(pair):
            yield token
            i += 2
        else:
            yield word[i]
            i += 1


def best_by_max(counts):
    return max(counts, key=lambda pair: (counts[pair], pair))


def train_plainly(words, n):
    return _train(words, n)


WRONG = {
    "count_pairs": [
        count_each_word_once, count_across_words, count_each_pair_once_in_a_word, count_without_overlap,
        count_joined_bytes, count_the_last_word_only,
    ],
    "merge_pair": [
        merge_looking_back, merge_the_first_alone, merge_losing_the_last, merge_from_the_right,
        merge_the_pair_either_way,
    ],
    "best_pair": [
        best_is_the_first, best_is_the_smallest, best_by_joined_bytes, best_by_the_right_one, best_with_its_count,
        best_by_bytes_alone,
    ],
    "train": [
        train_without_counting_again, train_with_the_first_of_equals, train_until_it_breaks,
        train_on_the_first_word_alone, train_with_joined_tokens, train_one_too_few, train_unweighted,
    ],
}  # fmt: skip
RIGHT = {
    "count_pairs": [count_in_loops],
    "merge_pair": [merge_with_a_loop, _replaced],
    "best_pair": [best_by_max],
    "train": [train_plainly],
}
