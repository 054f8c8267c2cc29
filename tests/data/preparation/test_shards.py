"""Stage 3: shards of equal size that hold all pairs that stay, in order, with their indexes."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.preparation import shards, unit_step, units
from clipbench_tf.data.preparation.duplicates import Duplicates
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.readers.pair import Pair
from tests.data.preparation.inputs import made_pairs


@pytest.fixture
def prepared(tmp_path):
    """A plan after stage 2, in which some of 203 pairs are there twice."""
    pairs = made_pairs.pairs(200)
    for number in (10, 100, 199):
        pairs.insert(number, pairs[number - 1])
    source = made_pairs.write(tmp_path / "in", train=pairs, test=made_pairs.pairs(3, first=300))
    plan = units.make(Options(source, shard_pairs=60), f"{tmp_path}/out")
    todo = list(plan.units())
    for unit in todo:
        unit_step.run(plan, unit)
    found = Duplicates(plan, todo)
    shards.save(plan, found)
    return plan, list(shards.shards(plan, todo, found))


def records(plan, shard) -> list[bytes]:
    dataset = tf.data.TFRecordDataset(f"{plan.output}/{shard.name}")
    return [bytes(record.numpy()) for record in dataset]


def test_all_pairs_that_stay_are_in_one_shard_in_the_order_of_the_source(prepared):
    plan, found = prepared
    names = [f"train-{number:05d}-of-00004.tfrecord" for number in range(4)]
    assert [shard.name for shard in found] == [*names, "test-00000-of-00001.tfrecord"]
    assert [shards.write(plan, shard) for shard in found] == [shard.name for shard in found]
    keys = [[Pair.of(record).key for record in records(plan, shard)] for shard in found]
    assert [len(some) for some in keys] == [50, 50, 50, 50, 3]
    assert [key for some in keys[:4] for key in some] == [f"key/{n}" for n in range(200)]
    assert keys[4] == ["key/300", "key/301", "key/302"]


def test_the_index_says_where_records_begin(prepared):
    plan, found = prepared
    shards.write(plan, found[1])
    index = np.fromfile(f"{plan.output}/{found[1].name}.index", "<u8")
    lengths = [len(record) + 16 for record in records(plan, found[1])]
    np.testing.assert_array_equal(index, np.cumsum([0, *lengths]))
    known = shards.facts(plan, found[1])
    assert (known["pairs"], known["captions"], known["bytes"]) == (50, 50, int(index[-1]))


def test_a_shard_that_is_written_is_not_written_again(prepared, monkeypatch):
    plan, found = prepared
    assert not shards.done(plan, found[0])
    shards.write(plan, found[0])
    assert shards.done(plan, found[0])
    monkeypatch.setattr(shards, "_framed", None)
    assert shards.write(plan, found[0]) == found[0].name


def test_a_name_tells_the_split():
    assert shards.split_of("zero-shot-00001-of-00003.tfrecord") == "zero-shot"
