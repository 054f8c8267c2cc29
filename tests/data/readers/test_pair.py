"""A pair is what it was after the way through its record; other records are a problem, no error."""

import pytest
import tensorflow as tf

from clipbench_tf.data.readers.pair import NO_PAIR, Pair, parse


@pytest.mark.parametrize(
    "pair",
    [
        Pair("k", b"\xff\x00", ("one", "zw\u00f6lf \U0001f600", ""), 7),
        Pair("k", problem="no caption"),
        Pair("k", captions=("x",), label=3, problem="missing file"),
    ],
)
def test_a_pair_survives_the_way_through_its_record(pair):
    assert Pair.of(pair.serialize()) == pair
    fields = parse(pair.serialize())
    assert [text.decode() for text in fields["captions"].numpy()] == list(pair.captions)
    assert (fields["key"].numpy().decode(), int(fields["label"])) == (pair.key, pair.label)
    assert fields["problem"].numpy().decode() == pair.problem


def test_a_pair_has_the_same_bytes_in_every_process():
    # Protobuf writes a map in an order that differs between processes, unless told to sort it.
    for _ in range(8):
        record = Pair("k" * 9, b"picture", ("caption",), 7, "").serialize()
        places = [record.index(name) for name in (b"captions", b"image", b"key", b"label")]
        assert places == sorted(places)


def of_other_features() -> bytes:
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(b"x")
    return example.SerializeToString()


@pytest.mark.parametrize("record", [b"", b"0", b"\xff\xff", b"\n\x05abc", of_other_features()])
def test_a_record_that_is_no_pair_is_a_damaged_one(record):
    assert Pair.of(record) == NO_PAIR
    assert NO_PAIR.problem == "damaged record"
