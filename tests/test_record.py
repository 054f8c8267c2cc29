import getpass
import json
import re
import socket
from pathlib import Path

import pytest

from clipbench_tf import hardware, record


def test_environment_is_complete_and_names_no_machine():
    facts = json.loads(json.dumps(record.environment()))
    assert facts["hardware"]["cores"] >= 1
    assert facts["hardware"]["memory_gb"] > 0.5
    assert set(facts["hardware"]["instructions"]) <= set(hardware.VECTOR)
    assert {"python", "clipbench_tf", "tensorflow", "keras", "numpy"} <= set(facts["packages"])
    text = json.dumps(facts)
    for private in (socket.gethostname(), str(Path.home()), str(Path.cwd())):
        assert private not in text or len(private) < 3
    assert f"/{getpass.getuser()}" not in text


def test_commit_of_the_checkout_or_none():
    commit = record.environment()["git_commit"]
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", commit)


def test_a_file_outside_of_git_has_no_commit(tmp_path):
    (tmp_path / "file.py").write_text("")
    assert record._git(str(tmp_path / "file.py"), "ls-files", "--error-unmatch", "file.py") is None


def test_a_record_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "record.json"
    record.write({"top1": 0.25}, path)
    with pytest.raises(TypeError):
        record.write({"top1": object()}, path)
    assert json.loads(path.read_text()) == {"top1": 0.25}
    assert list(tmp_path.iterdir()) == [path]
