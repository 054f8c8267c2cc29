"""Files that are whole or not there."""

import pytest

from clipbench_tf.data.preparation.engine import output_files


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    with output_files.whole(f"{tmp_path}/a") as stream:
        stream.write(b"one")
        (partial,) = output_files.names(str(tmp_path))
        assert partial != "a" and output_files.PARTIAL in partial
    assert output_files.names(str(tmp_path)) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"one"


def test_after_an_error_what_was_there_before_is_still_there(tmp_path):
    output_files.write(f"{tmp_path}/a", b"before")
    with pytest.raises(ZeroDivisionError), output_files.whole(f"{tmp_path}/a") as stream:
        stream.write(b"half")
        stream.write(bytes(1 // 0))
    assert output_files.names(str(tmp_path)) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_json_is_readable_and_read_back(tmp_path):
    path = f"{tmp_path}/a.json"
    assert output_files.read_json(path) is None
    output_files.write_json(path, {"ü": [1, 2]})
    assert output_files.read_json(path) == {"ü": [1, 2]}
    assert '"ü"' in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_folders_are_listed_and_removed_with_all_that_is_in_them(tmp_path):
    output_files.make_folder(f"{tmp_path}/a/b")
    output_files.write(f"{tmp_path}/a/b/c", b"")
    assert output_files.names(f"{tmp_path}/a") == ["b"]
    assert output_files.names(f"{tmp_path}/no") == []
    output_files.remove(f"{tmp_path}/a/b/c")
    output_files.remove(f"{tmp_path}/a")
    assert output_files.names(str(tmp_path)) == []


def test_file_systems_of_tensorflow_are_written_too():
    folder = "ram://test_output_files"
    output_files.write_json(f"{folder}/a.json", [1])
    output_files.write(f"{folder}/b", b"two")
    assert output_files.read_json(f"{folder}/a.json") == [1]
    assert output_files.names(folder) == ["a.json", "b"]
