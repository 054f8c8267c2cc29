import os
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.retrieval import store
from clipbench_tf.evaluation.retrieval.store import Store, StoreError
from tests.checkpoints.full_disk import files_of_at_most


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(store, "BLOCK", 400)


def parts(rng):
    """Batches of 1 to 6 items; the number of tokens changes on the way."""
    made = []
    for number in range(12):
        count, length = rng.integers(1, 7), 2 + number // 5
        values = rng.normal(size=(count, 1, length, 3)).astype(np.float32)
        made.append({"tokens": values, "mask": rng.random((count, 1, length)) < 0.5})
    return made


def filled(made, memory):
    kept = Store(memory)
    for part in made:
        kept.add({name: tf.constant(value) for name, value in part.items()})
    return kept


def flat(representations, name):
    return [row for part in representations for row in np.asarray(part[name])]


@pytest.mark.parametrize("memory", [0, 900, 10**6], ids=["disk", "both", "memory"])
def test_gives_back_what_it_got_wherever_it_lies(memory):
    made = parts(np.random.default_rng(0))
    kept = filled(made, memory)
    assert len(kept) == sum(len(part["mask"]) for part in made)
    for _ in range(2):
        for pieces in (kept.blocks(), kept.slices(2)):
            given = list(pieces)
            for name in ("tokens", "mask"):
                expected = flat(made, name)
                for got, wanted in zip(flat(given, name), expected, strict=True):
                    assert got.dtype == wanted.dtype
                    np.testing.assert_array_equal(got, wanted)
    blocks = list(kept.blocks())
    assert 3 <= len(blocks) < len(made)  # joined while they are small and alike
    assert max(len(part["mask"]) for part in kept.slices(2)) == 2
    assert (kept._file is None) == (memory == 10**6)


def test_its_file_is_gone_when_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = filled(parts(np.random.default_rng(0)), memory=0)
    list(kept.blocks())
    file = kept._file
    assert os.fstat(file.fileno()).st_size > 400
    kept.close()
    assert file.closed and not list(tmp_path.iterdir())
    assert len(kept) == 0


def test_a_full_disk_is_one_clear_error():
    with files_of_at_most(500), pytest.raises(StoreError, match="TMPDIR"):
        list(filled(parts(np.random.default_rng(0)), memory=0).blocks())
