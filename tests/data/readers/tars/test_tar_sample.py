"""What becomes of the members of a sample: which captions, which label, which problem."""

import json
import tarfile

import pytest

from tests.data.readers.tars.tar_files import outcomes, pairs, write


def of(tmp_path, files, **options) -> dict[str, str]:
    return outcomes(write(tmp_path / "a.tar", files), **options)


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ('{"caption": "a cat"}', {}, "a cat"),
        ('{"captions": ["a cat", " ", "a dog", 3]}', {}, "a cat|a dog"),
        ('{"caption": "a cat", "captions": ["a dog"]}', {}, "a cat|a dog"),
        ('{"caption": "a", "title": "b"}', {"caption": "title"}, "b"),
        ('{"alt": "a", "title": ["b", "c"]}', {"caption": "title,alt,none"}, "b|c|a"),
        ('{"caption": " \\n"}', {}, "no caption"),
        ('{"caption": null}', {}, "no caption"),
        ('{"caption": "a"}', {"caption": "title"}, "no caption"),
        ('["caption"]', {}, "no caption"),
        ('{"caption": "a', {}, "bad JSON"),
        ("", {}, "bad JSON"),
        ("[" * 100_000, {}, "bad JSON"),
        ("{}".encode("utf-16"), {}, "no caption"),
        ('{"caption": "caf\xe9"}'.encode("latin-1"), {}, "café"),
        (b'\xef\xbb\xbf{"caption": "marked"}', {}, "marked"),
    ],
)
@pytest.mark.parametrize("extra", [[], [("a.cls", b"x")]], ids=["plain", "other"])
def test_the_caption_in_a_json_member(content, options, expected, extra, tmp_path):
    files = [("a.jpg", b"i"), ("a.json", content), *extra]
    assert of(tmp_path, files, **options) == {"a": expected}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (" a cat\non two lines \r\n", "a cat\non two lines"),
        ("Füße", "Füße"),
        ("caf\xe9".encode("latin-1"), "café"),
        ("猫".encode("utf-16"), "猫"),
        ("", "no caption"),
        (" \n", "no caption"),
    ],
)
@pytest.mark.parametrize("extra", [[], [("a.cls", b"x")]], ids=["plain", "other"])
def test_the_whole_of_a_text_member_is_one_caption(content, expected, extra, tmp_path):
    assert of(tmp_path, [("a.txt", content), ("a.jpg", b"i"), *extra]) == {"a": expected}


def test_text_comes_before_json_unless_a_field_is_named(tmp_path):
    files = [("a.jpg", b"i"), ("a.json", '{"caption": "json"}'), ("a.txt", "text")]
    assert of(tmp_path, files) == {"a": "text"}
    assert of(tmp_path, files, caption="caption") == {"a": "json"}
    broken = [("a.jpg", b"i"), ("a.json", "{"), ("a.txt", "text"), ("b.jpg", b"i"), ("b.txt", "t")]
    assert of(tmp_path, broken) == {"a": "text", "b": "t"}
    assert of(tmp_path, broken, caption="c") == {"a": "bad JSON", "b": "no caption"}


def test_several_text_members_are_several_captions_by_number(tmp_path):
    texts = [(f"a.{number}.txt", f"caption {number}") for number in (10, 2, 0, 1)]
    assert of(tmp_path, [("a.jpg", b"i"), *texts, ("a.TXT", "first")]) == {
        "a": "first|caption 0|caption 1|caption 2|caption 10"
    }


def test_a_class_number_is_the_label_and_needs_no_caption(tmp_path):
    files = [
        *[("a.jpg", b"i"), ("a.cls", "7\n")],
        *[("b.cls", "12"), ("b.jpg", b"i"), ("b.txt", "text")],
        *[("c.jpg", b"i"), ("c.cls", "dog")],
        *[("d.jpg", b"i"), ("d.cls", "dog"), ("d.txt", "text")],
    ]
    found = pairs(write(tmp_path / "a.tar", files))
    assert [(pair.label, pair.captions, pair.problem) for pair in found] == [
        (7, (), ""),
        (12, ("text",), ""),
        (-1, (), "no caption"),
        (-1, ("text",), ""),
    ]


@pytest.mark.parametrize(
    "name", ["jpg", "JPG", "jpeg", "jpe", "png", "Png", "webp", "gif", "bmp", "jxl"]
)
def test_pictures_of_all_forms_in_capitals_too(name, tmp_path):
    assert of(tmp_path, [(f"a.{name}", b"i"), ("a.txt", "text")]) == {"a": "text"}


def test_of_several_pictures_one_is_to_be_chosen(tmp_path):
    files = [("a.jpg", b"1"), ("a.txt", "text"), ("a.depth.PNG", b"2")]
    assert of(tmp_path, files) == {"a": "several pictures"}
    path = tmp_path / "a.tar"
    assert [pair.image for pair in pairs(path, image="jpg")] == [b"1"]
    assert [pair.image for pair in pairs(path, image=".depth.png")] == [b"2"]
    assert of(tmp_path, files, image="webp") == {"a": "no picture"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_not_followed(kind, tmp_path):
    def link(to: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo()
        info.type, info.linkname = kind, to
        return info

    files = [
        *[("a.jpg", b"i"), ("a.txt", "text")],
        *[("b.jpg", link("a.jpg")), ("b.txt", "text")],
        *[("c.jpg", b"i"), ("c.txt", link("a.txt"))],
    ]
    assert of(tmp_path, files) == {"a": "text", "b": "link in archive", "c": "link in archive"}


def test_nothing_in_a_caption_is_an_obstacle(tmp_path):
    caption = "NUL \0, \u202eright to left, 🐈 <|endoftext|> " + "long " * 20_000
    files = [
        *[("a.jpg", b"i"), ("a.txt", caption)],
        *[("b.jpg", b"i"), ("b.json", json.dumps({"caption": caption}))],
        *[("c.jpg", b"i"), ("c.json", '{"caption": "half \\ud83d"}')],
    ]
    assert of(tmp_path, files) == {"a": caption.strip(), "b": caption.strip(), "c": "half ?"}
