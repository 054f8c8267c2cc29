import numpy as np

from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.evaluation.retrieval.collection import collect
from clipbench_tf.evaluation.retrieval.store import Store
from tests.evaluation.retrieval.samples import BAD, CosineSamples, tokens

PAIRS = [
    Pair("0", b"x", ("a cat", "a  &amp;\tcat")),
    Pair("1", BAD, ("lost",)),
    Pair("2", b"y", ("a cat", "")),
    Pair("3", b"z", (" ",)),
    Pair("4", b"x", ("kitten", "a cat")),
    Pair("5", problem="no caption"),
    Pair("6", problem="damaged record"),
    Pair("7", b"z", ("z",)),
    Pair("8", BAD, ("lost again",)),
]


def collected(batch_size):
    records = [pair.serialize() for pair in PAIRS] + [b"no record"]
    batches = [records[i : i + batch_size] for i in range(0, len(records), batch_size)]
    encoders = CosineSamples()
    return collect(iter(batches), encoders, Store(10**6)), encoders


def test_repeats_are_one_item_and_what_is_no_pair_is_counted():
    for batch_size in (1, 4, 100):
        found, encoders = collected(batch_size)
        assert found.captions == {"a cat": 0, "a & cat": 1, "kitten": 2, "z": 3}
        assert found.places == [0, 2, 7]
        assert found.right_pairs().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [2, 3]]
        assert (found.records, found.caption_count) == (10, 6)
        assert (found.corrupt, found.uncaptioned) == (4, 2)
        assert encoders.encoded == [b"x", BAD, b"y", b"z"]
        (block,) = found.pictures.blocks()
        expected = [tokens(image, 1)[0] for image in (b"x", b"y", b"z")]
        np.testing.assert_array_equal(block["embedding"], expected)
