"""Which members make up a sample, whatever their order and whatever is between them."""

import numpy as np
import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.tars import tar_index
from tests.data.readers.tars.tar_files import outcomes, pairs, samples, write


@pytest.mark.parametrize("order", ["as they come", "reversed", "by extension", "shuffled"])
def test_the_order_of_members_changes_nothing_but_the_order_of_samples(order, tmp_path):
    files = samples(40)
    expected = {pair.key: pair for pair in pairs(write(tmp_path / "a.tar", files))}
    assert len(expected) == 40
    mixed = {
        "as they come": files,
        "reversed": files[::-1],
        "by extension": sorted(files, key=lambda file: file[0][-3:]),
        "shuffled": [files[n] for n in np.random.default_rng(0).permutation(len(files))],
    }[order]
    path = write(tmp_path / "a.tar", mixed)
    first = list(dict.fromkeys(name[:4] for name, _ in mixed))
    for run in (1, 7, 16):
        assert pairs(path, run) == [expected[f"a/{key}"] for key in first]


def test_members_far_apart_are_read_by_themselves(tmp_path):
    far = ("z.bin", bytes(3 * tar_index.NEAR))
    files = [("a.jpg", b"i"), ("a.0.txt", "0"), far, ("a.1.txt", "1"), far, ("b.jpg", b"j")]
    assert outcomes(write(tmp_path / "a.tar", [*files, ("b.txt", "2")])) == {"a": "0|1", "b": "2"}


def test_a_key_is_the_folder_and_the_name_to_its_first_dot(tmp_path):
    files = [
        *[("x/a.jpg", b"i"), ("x/a.txt", "1"), ("y/a.jpg", b"i"), ("y/a.txt", "2")],
        *[("./z.z/b.jpg", b"i"), ("z.z/b.txt", "3"), ("c.v2.jpg", b"i"), ("c.txt", "4")],
    ]
    found = outcomes(write(tmp_path / "a.tar", files))
    assert found == {"x/a": "1", "y/a": "2", "z.z/b": "3", "c": "4"}


@pytest.mark.parametrize(
    "name",
    [
        "._a.jpg",
        "x/._a.jpg",
        ".a.txt",
        "__MACOSX/a.jpg",
        "x/__MACOSX/a.txt",
        "PaxHeaders.17/a.jpg",
        "./PaxHeader/a.txt",
        "README.md",
        "LICENSE",
        "a.npy",
        "a.jpg/",
        "jpg",
        ".jpg",
    ],
)
def test_what_is_of_no_sample_is_passed_over(name, tmp_path):
    files = [(name, b"n"), ("a.jpg", b"i"), (name, b"n"), ("a.txt", "text"), (name, b"n")]
    assert outcomes(write(tmp_path / "a.tar", files)) == {"a": "text"}


def test_a_sample_without_picture_or_text_is_one_with_a_problem(tmp_path):
    files = [("a.txt", "t"), ("b.jpg", b"i"), ("c.json", "{}"), ("d.jpg", b"i"), ("d.txt", "d")]
    assert outcomes(write(tmp_path / "a.tar", files)) == {
        "a": "no picture",
        "b": "no caption",
        "c": "no picture",
        "d": "d",
    }


@pytest.mark.parametrize("apart", [False, True])
def test_of_members_with_the_same_name_the_first_make_a_pair_and_the_others_are_duplicates(
    apart, tmp_path
):
    one, two = [("a.jpg", b"1"), ("a.txt", "one")], [("a.JPG", b"2"), ("a.txt", "two")]
    files = [*one, *two] if apart else [one[0], two[0], one[1], two[1]]
    found = pairs(write(tmp_path / "a.tar", [*files, ("a.txt", "three")]))
    assert [(pair.key, pair.problem or pair.captions[0]) for pair in found] == [
        ("a/a", "one"),
        ("a/a", "duplicate key"),
        ("a/a", "duplicate key"),
    ]


SIZES = [("a.jpg", b"i" * 700), ("a.txt", "t" * 600), ("b.jpg", b"j" * 700), ("b.txt", "u" * 600)]
A, CUT = "t" * 600, "truncated archive"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (100, None),
        (512, {"a": CUT}),  # a header alone
        (1211, {"a": CUT}),  # one byte is missing of the picture
        (1536, {"a": CUT}),  # all of the picture
        (1800, {"a": CUT}),  # half a header of the text
        (2647, {"a": CUT}),  # one byte is missing of the text
        (2648, {"a": A}),  # all of the text, without what fills the block
        (3072, {"a": A}),  # all of it
        (3100, {"a": A, "@3072": CUT}),  # the start of another's header
        (4000, {"a": A, "b": CUT}),
        (4608, {"a": A, "b": CUT}),
        (5000, {"a": A, "b": CUT}),
        (6144, {"a": A, "b": "u" * 600}),  # without the zeros at the end
        (6200, {"a": A, "b": "u" * 600}),  # some of the zeros
    ],
)
def test_a_cut_archive_gives_what_is_whole_and_one_problem(length, expected, tmp_path):
    path = write(tmp_path / "a.tar", SIZES)
    path.write_bytes(path.read_bytes()[:length])
    if expected is None:
        with pytest.raises(DatasetError, match="is no tar archive"):
            outcomes(path)
    else:
        assert outcomes(path) == expected


def test_a_cut_is_logged_with_the_file(tmp_path, caplog):
    path = write(tmp_path / "a.tar", SIZES)
    path.write_bytes(path.read_bytes()[:4000])
    with caplog.at_level("WARNING", "absl"):
        outcomes(path)
    assert f"{path} is cut short or damaged at byte 4000: 2 samples" in caplog.text


def test_damage_in_the_middle_is_a_record_of_its_own(tmp_path):
    path = write(tmp_path / "a.tar", SIZES)
    data = bytearray(path.read_bytes())
    data[3072:3584] = b"#" * 512
    path.write_bytes(data)
    assert outcomes(path) == {"a": A, "@3072": "damaged archive"}


@pytest.mark.parametrize("first", ["a.jpg", "a.txt"])
def test_a_member_too_large_to_read_is_a_problem_and_is_not_read(first, tmp_path, monkeypatch):
    monkeypatch.setattr(tar_index, "LARGEST", 1000)
    files = sorted([("a.jpg", b"i" * 1001), ("a.txt", "text")], key=lambda file: file[0] != first)
    files += [("b.jpg", b"i" * 1000), ("b.txt", "text")]
    found = outcomes(write(tmp_path / "a.tar", files))
    assert found == {"a": "larger than 1 GiB", "b": "text"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: copy or download it again"),
        (b"<!DOCTYPE html>" * 100, "is no tar archive, it begins with b'<!DOCTYPE html>"),
        (b"\x1f\x8b\x08" + bytes(1000), "is compressed.*gunzip"),
        (b"x" * 100_000, "is no tar archive"),
    ],
)
def test_what_is_no_tar_is_refused_by_name_with_the_remedy(content, message, tmp_path):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.tar {message}"):
        outcomes(tmp_path / "a.tar")


def test_an_index_takes_17_bytes_a_sample(tmp_path):
    arrays = tar_index.build(str(write(tmp_path / "a.tar", samples(2000))))
    assert len(arrays["state"]) == 2000
    assert sum(array.nbytes for array in arrays.values()) < 17.1 * 2000
