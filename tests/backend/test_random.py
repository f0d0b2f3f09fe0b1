"""Random streams: named, independent, exactly restored from JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.backend import Streams, stream
from tinylm.backend.random import STREAMS

seeds = st.integers(0, 2**64)
names = st.text(max_size=8)


@given(seeds, names)
def test_the_same_seed_and_name_give_the_same_numbers(seed, name):
    assert (stream(seed, name).random(5) == stream(seed, name).random(5)).all()


@given(seeds, names, seeds, names)
def test_another_seed_or_name_gives_other_numbers(seed, name, other_seed, other_name):
    same = (seed, name) == (other_seed, other_name)
    assert (stream(seed, name).random(4) == stream(other_seed, other_name).random(4)).all() == same


def test_streams_are_uncorrelated():
    n = 20_000
    drawn = np.array([stream(0, name).standard_normal(n) for name in STREAMS] + [stream(1, "data").standard_normal(n)])
    correlation = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(correlation).max() < 5 / n**0.5  # five standard deviations of a correlation of 0


@given(seeds, st.lists(st.tuples(st.sampled_from(STREAMS), st.integers(0, 5)), max_size=6))
def test_drawing_from_one_stream_leaves_the_others(seed, draws):
    streams = Streams(seed)
    taken = dict.fromkeys(STREAMS, 0)
    for name, count in draws:
        streams[name].random(count)
        taken[name] += count
    for name in STREAMS:
        fresh = stream(seed, name)
        fresh.random(taken[name])
        assert streams[name].random() == fresh.random()


@given(seeds, st.integers(0, 7), st.booleans())
def test_a_state_comes_back_through_json(seed, count, odd):
    streams = Streams(seed)
    streams["data"].random(count)
    if odd:
        streams["data"].integers(0, 10, dtype=np.uint32)  # leaves half a word in the generator, which is state too
    saved = json.dumps(streams.state())
    expected = [streams[name].integers(0, 2**31, 3, dtype=np.uint32).tolist() for name in STREAMS]
    other = Streams(0)
    other.load(json.loads(saved))
    assert [other[name].integers(0, 2**31, 3, dtype=np.uint32).tolist() for name in STREAMS] == expected


def test_a_saved_state_does_not_move_with_its_stream():
    streams = Streams(1)
    before = streams.state()
    first = streams["init"].random()
    streams.load(before)
    assert streams["init"].random() == first


def test_wrong_names_and_seeds_are_refused():
    with pytest.raises(KeyError, match="no stream 'weather'; this run has init, data, dropout, sampling"):
        Streams(0)["weather"]
    with pytest.raises(ValueError, match="expected the streams"):
        Streams(0).load({"data": {}})
    with pytest.raises(ValueError, match="from 0 up; got -1"):
        stream(-1, "data")
