"""What of TensorFlow's start-up lines a user sees."""

import os

import pytest

from clipbench_tf import tensorflow_log

ERROR = (
    "E0000 00:00:1795742.6 3488 cuda_platform.cc:52] failed call to cuInit: INTERNAL: no device\n"
)
LINES = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795742.3 3488 port.cc:153] oneDNN custom operations are on.\n"
    f"{ERROR}Illegal instruction\n"
)


@pytest.mark.parametrize(
    ("level", "driver", "expected_level", "shown"),
    [
        (None, False, "3", f"{ERROR}Illegal instruction\n"),
        (None, True, "2", f"{ERROR}Illegal instruction\n"),
        (None, "hidden", "3", f"{ERROR}Illegal instruction\n"),
        ("1", True, "1", f"{ERROR}Illegal instruction\n"),
        ("0", True, "0", LINES),
    ],
)
def test_errors_are_shown_and_a_level_of_the_users_own_holds(
    level, driver, expected_level, shown, monkeypatch, tmp_path, capfd
):
    monkeypatch.setattr(tensorflow_log, "_DRIVERS", (tmp_path if driver else tmp_path / "none",))
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1" if driver == "hidden" else "0,1")
    if level:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with tensorflow_log.suppressed():
        os.write(2, LINES.encode())
    os.write(2, b"after\n")
    assert capfd.readouterr().err == f"{shown}after\n"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == expected_level


def test_nothing_is_held_back_where_there_is_no_grep(monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    with tensorflow_log.suppressed():
        os.write(2, LINES.encode())
    assert capfd.readouterr().err == LINES
