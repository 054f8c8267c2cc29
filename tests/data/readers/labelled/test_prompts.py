"""Prompts: the sets that ship, and files with every mistake that they may have."""

import codecs

import pytest

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.labelled import prompts


def test_the_sets_have_as_many_prompts_as_their_names_say():
    for name in prompts.SETS:
        found = prompts.load(name)
        assert len(set(found)) == len(found) == int(name.removeprefix("clip"))
        assert all(text.count("{}") == 1 for text in found)
    assert prompts.load("clip1") == ("a photo of a {}.",)
    eighty = prompts.load("clip80")
    plain, *seven = prompts.load("clip8")
    assert plain == "a photo of a {}" and set(seven) < set(eighty)
    assert eighty[0] == "a bad photo of a {}." and eighty[-1] == "a tattoo of the {}."
    assert "itap of my {}." in eighty and "a {} in a video game." in eighty


@pytest.mark.parametrize("name", ["clip6", "clip 8", "clip 80", "nowhere/prompts.txt"])
def test_sets_that_there_are_not_are_refused_with_those_that_there_are(name):
    told = f"no prompts '{name}'; .*clip1, clip8, clip80, .* a line"
    with pytest.raises(DatasetError, match=told):
        prompts.load(name)


@pytest.mark.parametrize(
    "raw",
    [
        "a {}\nthe {}, é\n".encode(),
        b"a {}  \r\n\r\n the {}, \xc3\xa9",
        codecs.BOM_UTF8 + "a {}\rthe {}, é\r".encode(),
        "a {}\nthe {}, é\n".encode("utf-16"),
    ],
    ids=["LF", "CRLF", "mark and CR", "UTF-16"],
)
def test_a_file_has_a_prompt_a_line_whatever_ends_them(raw, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_bytes(raw)
    assert prompts.load(str(file)) == ("a {}", "the {}, é")


def test_a_file_that_is_called_as_a_set_is_given_with_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip80").write_text("mine: {}\n")
    assert prompts.load("./clip80") == ("mine: {}",)
    assert len(prompts.load("clip80")) == 80


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a {}\n\na cat\n", r"p\.txt, line 3: 'a cat' has no \{\} for"),
        (b"a {c}\n", r"line 1: 'a \{c\}' has no \{\}"),
        (b"a {} and a {}\n", r"line 1: .* has 2 times \{\}, and must have one"),
        (b"a {}\nthe {}\r\n a {} \n", r"line 3: 'a \{\}' stands in line 1 too"),
        (b"a {}\ncaf\xe9 {}\n", r"p\.txt, line 2 is not UTF-8; save"),
        (b"", r"p\.txt is empty"),
        (b"\xef\xbb\xbf \r\n\n", r"p\.txt is empty"),
    ],
)
def test_mistakes_are_told_with_file_and_line(raw, words, tmp_path):
    (tmp_path / "p.txt").write_bytes(raw)
    with pytest.raises(DatasetError, match=words):
        prompts.load(str(tmp_path / "p.txt"))
    with pytest.raises(DatasetError, match="no file"):
        prompts.load(str(tmp_path))


def test_imagenets_synsets_get_eighty_prompts_and_others_the_default():
    assert len(prompts.fitting(["n01440764", "n01443537"])) == 80
    for ids in (["cat", "dog"], ["n01440764", "cat"], []):
        assert prompts.fitting(ids) == Dataset.templates
