"""Names of classes: from lists of every form, from CLIP's, and from the classes themselves."""

import json
import logging
import unicodedata

import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled import imagenet
from clipbench_tf.data.readers.labelled.class_names import class_names, ordered

SYNSETS, NAMES = list(imagenet.names()), list(imagenet.names().values())


@pytest.mark.parametrize(
    "text",
    [
        "kit fox\nred panda\n",
        "kit_fox\r\n\r\n red  panda ",
        "\ufeffdog\tkit fox\r\ncat\tred_panda\r\n",
        "cat,red panda\ndog,kit fox\nzebra,of more classes\n",
        json.dumps(["kit fox", "red_panda"]),
        json.dumps({"cat": "red panda", "dog": "kit fox", "x": "y"}, indent=1),
        json.dumps({"0": ["dog", "kit_fox"], "1": ["cat", "red_panda"]}),
    ],
)
def test_a_file_names_classes_by_their_order_or_before_each(text, tmp_path):
    (tmp_path / "names.txt").write_bytes(text.encode())
    names = class_names(["dog", "cat"], str(tmp_path / "names.txt"))
    assert names == ("kit fox", "red panda")


def test_commas_within_names_stay_where_no_line_begins_with_a_class(tmp_path):
    (tmp_path / "names.txt").write_text("tench, Tinca tinca\nfox, a dog\n")
    assert class_names(["a", "b"], str(tmp_path / "names.txt")) == (
        "tench, Tinca tinca",
        "fox, a dog",
    )
    (tmp_path / "names.txt").write_text("n02119789 kit fox, Vulpes\nn01440764 tench, Tinca tinca\n")
    names = class_names(["n01440764", "n02119789"], str(tmp_path / "names.txt"))
    assert names == ("tench, Tinca tinca", "kit fox, Vulpes")


def test_an_accent_is_the_same_in_both_of_its_unicode_forms(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text(unicodedata.normalize("NFC", "café\ta coffee house\nb\tc\n"), encoding="utf-8")
    assert class_names([unicodedata.normalize("NFD", "café")], str(file)) == ("a coffee house",)


def test_clips_names_are_those_of_synsets_and_of_numbers_from_0():
    some = ["n02119789", "n01440764"]
    for file in (None, "imagenet"):
        assert class_names(some, file) == (NAMES[SYNSETS.index("n02119789")], "tench")
        assert class_names(SYNSETS, file) == tuple(NAMES)
    assert class_names([f"{n:03d}" for n in range(1000)], "imagenet") == tuple(NAMES)
    assert class_names((), "imagenet") == tuple(NAMES)
    assert class_names(NAMES[:700], "imagenet") == tuple(NAMES[:700])


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["cat", "dog"], "names synsets such as n01440764, .* these are cat, dog.*Give a file"),
        (
            [str(n) for n in range(1, 1001)],
            "Numbers from 1 on may be those of ILSVRC's kit",
        ),
        (["n01440764", "n00000001"], "n00000001"),
    ],
)
def test_clips_names_are_refused_for_other_classes(ids, words):
    with pytest.raises(DatasetError, match=words):
        class_names(ids, "imagenet")


def test_a_thousand_numbers_are_warned_of_and_ten_are_not(caplog):
    with caplog.at_level(logging.WARNING):
        assert class_names([*"0123456789"]) == tuple("0123456789")
        assert not caplog.text
        class_names([str(n) for n in range(1000)])
    assert "classnames=imagenet" in caplog.text


def test_numbers_are_in_the_order_of_their_values():
    assert ordered({"10", "9", "1"}) == ["1", "9", "10"]
    assert ordered({"10", "9", "a"}) == ["10", "9", "a"]
    assert ordered({"010", "9", "001"}) == ["001", "9", "010"]


def test_letters_of_both_cases_are_classes():
    assert class_names(["A", "a"]) == ("A", "a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tone\nb\tone\n", r"'a' and 'b' \(numbers 0 and 1\) are both called 'one'; rename"),
        ("caf\u00e9\ncafe\u0301\n", "both called 'caf\u00e9'"),
        ("a\tone\ntwo\n", r"names\.txt, line 2: 'two' stands alone"),
        ("a\tone\na\ttwo\nb\tthree\n", "two names for the class 'a'"),
        ("a,one\nc,two\n", "no name for b; add a line"),
        ("one\n", "has 1 names, but there are 2 classes, from a to b"),
        ('["one", 2]', "no JSON list of class names"),
        ('{"a": "one", "b": " "}', "no JSON list of class names, nor an object"),
        ("[]", "is empty"),
        ("", "is empty"),
        (b"a\nB\xe4r\n", r"names\.txt, line 2 is not UTF-8"),
    ],
)
def test_mistakes_in_a_file_are_told_with_the_remedy(text, words, tmp_path):
    raw = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "names.txt").write_bytes(raw)
    with pytest.raises(DatasetError, match=words):
        class_names(["a", "b"], str(tmp_path / "names.txt"))
