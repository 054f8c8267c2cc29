import copyreg
import io
import os
import pickle

import pytest

from clipbench_tf.conversion.reading import inert_pickle
from clipbench_tf.conversion.reading.checkpoint import CheckpointFormatError, read
from clipbench_tf.conversion.reading.tensors import Problem
from tests.conversion.reading.crafted import CONTAINERS, program, storage, tensor, text

EXTENSION = 0x70
NAMED = b"\x8c\x05torch\x8c\x10_utils.os.system\x93"  # STACK_GLOBAL
# `%s` is a shell command, as a string that is pushed.
ATTACKS = {
    "a function of os by REDUCE": b"cposix\nsystem\n(%stR",
    "the same under its other name": b"cos\nsystem\n(%stR",
    "eval": b"c__builtin__\neval\n(%stR",
    "eval in Python 3": b"cbuiltins\neval\n(%stR",
    "getattr": b"cbuiltins\ngetattr\n(ctorch\nSize\n%stR",
    "a dotted name": NAMED + b"(%stR",
    "a dotted name by GLOBAL": b"ctorch\n_utils.os.system\n(%stR",
    "a dotted name of an allowed one": b"ccollections\nOrderedDict.__init__\n(%stR",
    "a module of torch that runs things": b"ctorch.utils.collect_env\nrun\n(%stR",
    "INST": b"(%sios\nsystem\n",
    "OBJ": b"(cos\nsystem\n%so",
    "NEWOBJ": b"csubprocess\nPopen\n(%st\x81",
    "NEWOBJ_EX": b"csubprocess\nPopen\n(%st}\x92",
    "an extension code": b"\x82" + bytes([EXTENSION]) + b"(%stR",
    "the state of a name": b"ctorch\nSize\n}X\x0c\0\0\0__setstate__cos\nsystem\nsb(%stR",
    "the state of a dict": b"ccollections\nOrderedDict\n)R}X\7\0\0\0__class__cos\nsystem\nsb",
    "the state of a list": b"]}X\x06\0\0\0appendcos\nsystem\nsb%sa",
    "a call of what a call made": b"ccollections\nOrderedDict\n)R(%stR",
    "a call of a string": b"%s(%stR",
    "a subclass whose function is another": b"ctorch._tensor\n_rebuild_from_type_v2\n(%sN(%stNtR",
    "a persistent id as text": b"P../../etc/passwd\n",
    "a persistent id that is no tuple": b"%sQ",
    "a key that recurses": b"}" + b")" + b"\x85" * 100_000 + b"Ks",
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_any_container_is_refused_and_does_not_run(attack, container, tmp_path):
    marker = tmp_path / "marker"
    body = ATTACKS[attack].replace(b"%s", text(f"touch {marker}"))
    path = container(tmp_path / "crafted.pt", program(body))
    copyreg.add_extension("os", "system", EXTENSION)
    try:
        with pytest.raises(CheckpointFormatError, match=r"crafted\.pt "):
            read(path)
    finally:
        copyreg.remove_extension("os", "system", EXTENSION)
    assert not marker.exists()


def test_these_attacks_would_run_in_pickle(tmp_path):
    marker = tmp_path / "marker"
    for attack in ("a function of os by REDUCE", "INST", "OBJ"):
        pickle.loads(program(ATTACKS[attack].replace(b"%s", text(f"touch {marker}"))))
        assert marker.exists()
        os.remove(marker)


def test_the_error_names_what_was_refused_and_the_remedy(tmp_path):
    path = CONTAINERS[0](tmp_path / "x.pt", program(b"cposix\nsystem\n)R"))
    with pytest.raises(
        CheckpointFormatError, match=r"names posix\.system.*Nothing in the file was executed.*torch"
    ):
        read(path)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "../data.pkl", "1"])
def test_a_key_that_is_no_member_is_refused(key, container, tmp_path):
    crafted = program(tensor((2,), (1,), stored=storage(key)))
    with pytest.raises(CheckpointFormatError, match="lacks"):
        read(container(tmp_path / "x.pt", crafted))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((5,), (1,), 0),
        ((2,), (1,), 3),
        ((2, 2), (3, 1), 0),
        ((1 << 40,), (0,), 0),
        ((1 << 80, 0), (0, 0), 0),
        ((-1,), (1,), 0),
        ((2,), (-1,), 2),
        ((2,), (1,), -1),
        ((2, 2), (1,), 0),
        ((1,) * 65, (1,) * 65, 0),
    ],
)
def test_a_tensor_beyond_what_is_stored_is_refused(shape, strides, offset, container, tmp_path):
    crafted = program(tensor(shape, strides, offset))
    with pytest.raises(CheckpointFormatError, match=r"declares|beyond|sizes"):
        read(container(tmp_path / "x.pt", crafted))


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_largest_view_of_a_storage_is_read(container, tmp_path):
    crafted = program(tensor((2, 2), (2, 1)))
    assert read(container(tmp_path / "x.pt", crafted))["weight"].shape == (2, 2)


def loaded(content: bytes) -> object:
    return inert_pickle.load(
        io.BytesIO(content), find=lambda module, name: (module, name), persistent=lambda key: key
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_is_as_pickle_loads_it(protocol):
    shared = [1, 2.5]
    value = {
        "numbers": [0, -1, 255, 256, 65536, 1 << 40, -(1 << 100), 1e300, True, False],
        "text": ("", "é", "x" * 300),
        "nothing": None,
        3: {"nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "empty": [{}, []]},
        ("a", 1): [shared, shared],
    }
    result = loaded(pickle.dumps(value, protocol))
    assert result == value
    assert result["numbers"][-2:] == [True, False]
    assert type(result["numbers"][-1]) is bool
    assert result[("a", 1)][0] is result[("a", 1)][1]


def test_any_pickle_that_is_cut_or_changed_is_a_problem_or_data():
    content = pickle.dumps({"a": [1, (2.5, "b")], "c": {"d": None}}, 2)
    for end in range(len(content)):
        with pytest.raises(Problem):
            loaded(content[:end])
    for place in range(len(content)):
        for byte in range(256):
            changed = content[:place] + bytes([byte]) + content[place + 1 :]
            try:
                loaded(changed)
            except Problem:
                continue
