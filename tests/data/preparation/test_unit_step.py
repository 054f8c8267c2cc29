"""Stage 1: the records of a unit, what is known of them, and its counts."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.preparation import unit_step, units
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.pair_step import digest
from clipbench_tf.data.preparation.unit_step import Tally
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from tests.data.preparation.inputs import made_pairs


@pytest.fixture
def mixed() -> list[Pair]:
    """Sound pairs, between those that are dropped."""
    pairs = made_pairs.pairs(40)
    pairs[3] = Pair("key/3", problem="no caption")
    pairs[17] = Pair("key/17", b"no picture", ("seventeen",))
    return pairs


def run(tmp_path, pairs, **options) -> units.Plan:
    source = made_pairs.write(tmp_path / "in", train=pairs)
    plan = units.make(Options(source, **options), f"{tmp_path}/out")
    for unit in plan.units():
        unit_step.run(plan, unit)
    return plan


def test_the_records_that_stay_are_a_tfrecord_file_with_its_starts(tmp_path, mixed):
    plan = run(tmp_path, mixed)
    path = plan.unit_file(0, unit_step.RECORDS)
    records = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(path)]
    kept = [pair for number, pair in enumerate(mixed[:20]) if number not in (3, 17)]
    assert [Pair.of(record) for record in records] == kept
    facts = unit_step.facts(plan, 0, "key", "picture", "captions", "split", "starts")
    framed = np.cumsum([0, *(len(record) + 16 for record in records)])
    np.testing.assert_array_equal(facts["starts"], framed)
    np.testing.assert_array_equal(facts["split"], np.zeros(18))
    for name, values in {
        "key": [pair.key.encode() for pair in kept],
        "picture": [pair.image for pair in kept],
        "captions": [pair.captions[0].encode() for pair in kept],
    }.items():
        assert [row.tobytes() for row in facts[name]] == list(map(digest, values))


def test_all_pairs_of_a_unit_are_counted(tmp_path, mixed):
    found = unit_step.tally(run(tmp_path, mixed), 0)
    assert found.pairs == 20
    assert found.dropped == {"no caption": 1, "picture cannot be decoded": 1}
    assert found.samples == {"no caption": ["key/3"], "picture cannot be decoded": ["key/17"]}
    assert +found.captions == {"": 18, "picture cannot be decoded": 1}


def test_a_source_that_has_become_shorter_ends_the_run(tmp_path, monkeypatch):
    plan = run(tmp_path, made_pairs.pairs(6))
    reader = units.readers(plan.options, 0)["train"]
    monkeypatch.setattr(reader, "read", lambda part, first, count: [])
    with pytest.raises(DatasetError, match=r"train-0\.tfrecord gave 0 records from 0 on, not 3"):
        unit_step.run(plan, next(plan.units()))


def test_ten_keys_are_kept_of_each_reason_the_first_ones():
    total = Tally()
    for start in range(0, 30, 6):
        part = Tally()
        for number in range(start, start + 6):
            part.drop(f"{number}" * 300, "reason")
        total.add(part)
    assert total.dropped == {"reason": 30}
    assert [key[:2] for key in total.samples["reason"]] == [f"{n}{n}"[:2] for n in range(10)]
    assert max(map(len, total.samples["reason"])) == 200


def test_of_other_data_only_the_pictures_are_known(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(3))
    pairs = [*made_pairs.pairs(2), Pair("k", problem="no caption")]
    other = made_pairs.write(tmp_path / "other", test=pairs)
    plan = units.make(Options(source, against=(other,)), f"{tmp_path}/out")
    for unit in plan.units():
        unit_step.run(plan, unit)
    found = [unit_step.facts(plan, n, "picture")["picture"] for n in (2, 3)]
    hashes = [digest(made_pairs.picture(n)) for n in range(2)]
    assert [row.tobytes() for row in np.concatenate(found)] == hashes
