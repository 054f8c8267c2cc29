"""The plan: every record of the source is in one unit, and a folder belongs to one plan."""

import os

import pytest

from clipbench_tf.data.preparation import units
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.units import Plan
from clipbench_tf.data.readers.dataset import DatasetError
from tests.data.preparation.inputs import made_pairs


def test_every_record_is_in_one_unit_in_the_order_of_the_source(tmp_path):
    source = made_pairs.write(
        tmp_path / "in", train=made_pairs.pairs(25), test=made_pairs.pairs(4, first=25)
    )
    other = made_pairs.write(
        tmp_path / "other", train=made_pairs.pairs(3), test=made_pairs.pairs(5)
    )
    found = list(Plan(Options(source, against=(other,)), "out", 5).units())
    assert [unit.number for unit in found] == list(range(len(found)))
    counts = {(0, "train", 0): 12, (0, "train", 1): 13, (0, "test", 0): 2, (0, "test", 1): 2}
    counts |= {(1, "test", 0): 2, (1, "test", 1): 3}  # pictures trained on elsewhere do no harm
    expected = [(*where, n) for where, count in counts.items() for n in range(count)]
    records = [
        (unit.data, unit.split, unit.part, n)
        for unit in found
        for n in range(unit.first, unit.first + unit.pairs)
    ]
    assert records == expected
    assert max(unit.pairs for unit in found) == 5


@pytest.mark.parametrize(("pairs", "expected"), [(10, 64), (20_000, 312), (15_000_000, 2048)])
def test_a_unit_is_a_64th_of_the_source_within_limits(tmp_path, pairs, expected):
    assert units.make(Options(f"synthetic:{pairs}"), f"{tmp_path}/out").unit_pairs == expected


def test_an_undivided_source_is_called_train_or_as_it_is_told(tmp_path):
    def splits(**options) -> list[str]:
        return Plan(Options("synthetic:100", **options), "out", 64).out_splits

    assert splits() == ["train"]
    assert splits(splits=("test",)) == ["test"]
    assert splits(validation=0.1) == ["train", "validation"]
    for options in ({"splits": ("a", "b")}, {"splits": ("validation",), "validation": 0.1}):
        with pytest.raises(DatasetError, match="not divided into splits; name one"):
            splits(**options)


def test_a_folder_belongs_to_one_plan(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(4))
    output = f"{tmp_path}/out"
    made = units.make(Options(source), output)
    assert units.make(Options(source), output) == made
    with pytest.raises(DatasetError, match="size: None there, 32 now"):
        units.make(Options(source, size=32), output)
    os.utime(tmp_path / "in/train-1.tfrecord", (1, 1))
    with pytest.raises(DatasetError, match=r"begun otherwise .*in: "):
        units.make(Options(source), output)


def test_a_run_killed_before_it_had_a_plan_does_not_lock_the_folder(tmp_path):
    (tmp_path / "out" / units.WORK).mkdir(parents=True)
    units.make(Options("synthetic:10"), f"{tmp_path}/out")
