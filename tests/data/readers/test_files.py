"""Patterns as a shell expands them, missing files named, passing errors tried again."""

import subprocess

import pytest

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError


@pytest.mark.parametrize(
    "pattern",
    [
        "{000..012}.tar",
        "{8..11}",
        "a{b,c}d{0..2}",
        "plain.tar",
        "{a,b}/{00..01}.tar",
        "{9..9}",
        "{11..9}",
    ],
)
def test_braces_are_those_of_bash(pattern):
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {pattern}"], capture_output=True, text=True, check=True
    )
    assert files.braces(pattern) == shell.stdout.splitlines()


def test_braces_that_are_no_range_stay(tmp_path):
    assert files.braces("{}.tar") == ["{}.tar"]
    assert files.braces("{a}.tar") == ["{a}.tar"]


def test_expand_finds_files_by_braces_and_globs(tmp_path):
    for name in ("0.tar", "1.tar", "2.tar", "x.txt", "[odd].tar"):
        (tmp_path / name).touch()
    assert files.expand(f"{tmp_path}/{{0..1}}.tar") == [f"{tmp_path}/0.tar", f"{tmp_path}/1.tar"]
    assert files.expand(f"{tmp_path}/?.tar") == [f"{tmp_path}/{n}.tar" for n in range(3)]
    for odd in ("[odd].tar", "{0..1}", "{a,b}.tar"):
        (tmp_path / odd).touch()
        assert files.expand(f"{tmp_path}/{odd}") == [f"{tmp_path}/{odd}"]


def test_expand_names_the_first_ten_that_are_missing(tmp_path):
    with pytest.raises(DatasetError) as caught:
        files.expand(f"{tmp_path}/{{00..14}}.tar")
    message = str(caught.value)
    assert message.startswith("15 files of ")
    assert f"{tmp_path}/09.tar and 5 more" in message and "10.tar" not in message
    with pytest.raises(DatasetError, match=r"1 files of .*\*\.tar"):
        files.expand(f"{tmp_path}/*.tar")


def test_read_gives_any_stretch(tmp_path):
    path = str(tmp_path / "f")
    (tmp_path / "f").write_bytes(bytes(range(100)))
    assert files.read(path) == bytes(range(100))
    assert files.read(path, 90) == bytes(range(90, 100))
    assert files.read(path, 10, 5) == bytes(range(10, 15))
    assert files.read(path, 98, 50) == bytes([98, 99])


def test_a_passing_error_is_tried_again_and_a_lasting_one_named(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"content")
    monkeypatch.setattr(files, "PAUSE", 0.0)
    errors = []

    def failing(times):
        def opened(path):
            if len(errors) < times:
                errors.append(path)
                raise OSError("stale file handle")
            return open(path, "rb")

        return opened

    monkeypatch.setattr(files, "open_binary", failing(2))
    assert files.read(str(tmp_path / "f")) == b"content" and len(errors) == 2
    errors.clear()
    monkeypatch.setattr(files, "open_binary", failing(3))
    with pytest.raises(OSError, match=r"Cannot read .*stale file handle"):
        files.read(str(tmp_path / "f"))
    with pytest.raises(FileNotFoundError):
        monkeypatch.undo()
        files.read(str(tmp_path / "absent"))
