"""One pair: what is kept of it, and the first reason to drop it."""

import subprocess
import sys
from collections import Counter

import tensorflow as tf

from clipbench_tf.data.preparation import pair_step
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.pair_step import Kept, process
from clipbench_tf.data.readers.pair import Pair
from tests.data.preparation.inputs.made_pairs import picture

PLAIN = Options("emoji")


def features(record: bytes) -> dict:
    return dict(tf.train.Example.FromString(record).features.feature)


def test_a_kept_record_has_the_features_of_the_schema():
    pair = Pair("a/b", picture(1), ("one &amp; two", "three"), 7)
    counts: Counter[str] = Counter()
    found = process(pair.serialize(), PLAIN, counts)
    assert isinstance(found, Kept)
    held = features(found.record)
    assert held.keys() == pair_step.SCHEMA.keys()
    assert held["captions"].bytes_list.value == [b"one & two", b"three"]
    assert held["source_hash"].bytes_list.value == [found.picture_hash]
    assert Pair.of(found.record) == Pair("a/b", picture(1), ("one & two", "three"), 7)
    assert counts == {"": 2}


def test_a_pair_is_dropped_for_the_first_reason_there_is():
    counts: Counter[str] = Counter()
    strict = Options("emoji", filter="quality", smallest=100)
    cases = {
        "no such thing": Pair("k", problem="no such thing"),
        "no caption": Pair("k", picture(1)),
        "caption too short": Pair("k", picture(1), ("x", "zzz qqq")),
        "picture too small": Pair("k", picture(1), ("a small picture", "a small picture", "x")),
    }
    for reason, pair in cases.items():
        assert process(pair.serialize(), strict, counts) == ("k", reason)
    assert +counts == {
        "caption too short": 2,
        "too few English words": 1,
        "picture too small": 1,
        "same caption twice in a pair": 1,
    }
    assert process(b"\xff\xff", strict, counts) == ("?", "damaged record")


def test_a_picture_is_known_by_what_it_was_first():
    large = picture(1, (90, 60))
    first = process(Pair("k", large, ("one",)).serialize(), Options("a", size=40), Counter())
    assert first.picture_hash == pair_step.digest(large)
    again = process(first.record, Options("a", size=20), Counter())
    assert Pair.of(again.record).image != Pair.of(first.record).image != large
    assert again.picture_hash == first.picture_hash


def test_records_are_the_same_bytes_in_another_process():
    program = (
        "import sys\n"
        "from tests.data.preparation.test_pair_step import sample\n"
        "sys.stdout.write(sample().hex())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == sample().hex()


def sample() -> bytes:
    pair = Pair("k", picture(1), ("one", "two"), 3)
    return process(pair.serialize(), PLAIN, Counter()).record
