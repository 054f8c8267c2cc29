import subprocess
import sys

import pytest

from clipbench_tf.export import card


def saved_model(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


def test_round_trip(tmp_path):
    folder = saved_model(tmp_path / "model")
    assert not card.is_export(folder)
    card.write({"method": "clip", "templates": ["été {}"]}, folder)
    assert card.is_export(folder)
    assert card.read(folder) == {"method": "clip", "templates": ["été {}"]}


def test_says_what_is_wrong_with_a_folder(tmp_path):
    with pytest.raises(card.ExportError, match=r"no folder '.*absent'"):
        card.read(tmp_path / "absent")
    with pytest.raises(card.ExportError, match=r"no saved_model.pb\); give"):
        card.read(tmp_path)
    model = saved_model(tmp_path / "saved_model")
    with pytest.raises(card.ExportError, match="not exported by clipbench_tf"):
        card.read(model)
    card.write({}, model)
    with pytest.raises(card.ExportError, match=r"did you mean '.*saved_model'"):
        card.read(tmp_path)
    (model / card.FILE).write_text("{")
    with pytest.raises(card.ExportError, match="damaged"):
        card.read(model)


def test_is_read_without_tensorflow():
    code = "import sys, clipbench_tf.export.card; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
