"""Files of arrays: whole or not there, and a full disk ends nothing."""

import numpy as np
import pytest

from clipbench_tf.assessment.unfinished.arrays import Arrays, saved_on_error
from tests.checkpoints.full_disk import files_of_at_most

VALUES = {"a": np.arange(5000), "b": np.array(["x", "yz"])}


def test_what_is_kept_is_there_for_another_process(tmp_path):
    Arrays(tmp_path).keep("one", VALUES)
    again = Arrays(tmp_path)
    assert again.names() == ["one"] and sorted(again.listed("one")) == ["a", "b"]
    found = again.kept("one")
    np.testing.assert_array_equal(found["a"], np.arange(5000))
    assert again.one("one", "b").tolist() == ["x", "yz"]
    assert again.kept("two") is None and again.one("one", "c") is None and again.listed("two") == []


@pytest.mark.parametrize("at", [0, 300, -10])
def test_a_changed_byte_makes_it_nothing(at, tmp_path):
    Arrays(tmp_path).keep("one", {"a": np.arange(5000)})
    content = bytearray((tmp_path / "one.npz").read_bytes())
    content[at] ^= 255
    (tmp_path / "one.npz").write_bytes(content)
    assert Arrays(tmp_path).kept("one") is None


def test_a_full_disk_is_told_once_and_leaves_no_part(tmp_path, caplog):
    arrays = Arrays(tmp_path)
    with files_of_at_most(1000):
        arrays.keep("one", VALUES)
        arrays.keep("two", VALUES)
    assert caplog.text.count("Cannot keep what is done") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_only_an_error_saves(error):
    class Keeper:
        saved = 0

        def save(self):
            self.saved += 1

    keeper = Keeper()
    if error is None:
        with saved_on_error(keeper):
            pass
    else:
        with pytest.raises(error), saved_on_error(keeper):
            raise error
    assert keeper.saved == (error is not None)
