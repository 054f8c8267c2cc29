"""The shipped emoji data keep their promises; the builder's rules, by hand-made cases."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.emoji.build import captions, concepts, packages, splits, writer

FOLDER = Path(writer.__file__).resolve().parents[1]
VENDORS = {"noto", "twemoji", "fluent", "openmoji"}


class Record(NamedTuple):
    split: str
    vendor: str  # the folder it lies in
    key: str
    image: bytes
    captions: list[str]
    label: int


@pytest.fixture(scope="module")
def described() -> dict:
    return json.loads((FOLDER / "dataset.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def records(described: dict) -> list[Record]:
    found = []
    for split, entry in described["splits"].items():
        for name in entry["files"]:
            for raw in tf.data.TFRecordDataset(str(FOLDER / name)).as_numpy_iterator():
                feature = tf.train.Example.FromString(raw).features.feature
                (key,) = feature["key"].bytes_list.value
                (image,) = feature["image"].bytes_list.value
                (label,) = feature["label"].int64_list.value
                texts = [text.decode() for text in feature["captions"].bytes_list.value]
                vendor = name.split("/")[0]
                found.append(Record(split, vendor, key.decode(), image, texts, label))
    return found


def test_counts_and_keys(described: dict, records: list[Record]) -> None:
    counts = Counter(record.split for record in records)
    assert counts == {split: entry["examples"] for split, entry in described["splits"].items()}
    assert set(counts) == {"train", "validation", "test", "zero_shot"}
    assert len({record.key for record in records}) == len(records)
    assert {record.vendor for record in records} == VENDORS
    assert all(record.key.startswith(record.vendor) for record in records)


def test_classes_and_templates(described: dict, records: list[Record]) -> None:
    classes = described["classes"]
    assert len(classes) > 1850
    assert len({name.lower() for name in classes}) == len(classes)
    assert classes == sorted(classes, key=str.lower)
    assert {record.label for record in records} == set(range(len(classes)))
    assert "an emoji of a {}" in described["templates"]
    assert all(template.count("{}") == 1 for template in described["templates"])


def test_captions_name_their_concept(described: dict, records: list[Record]) -> None:
    for record in records:
        assert len(record.captions) >= 5
        assert len(set(record.captions)) == len(record.captions)
        for text in record.captions:
            assert described["classes"][record.label] in text
            assert text == " ".join(text.split())
            assert not {"\u2019", "\u201c", "\ufe0f", "\u200d"} & set(text)
            assert "&" not in text.replace(" & ", "")


def test_zero_shot_concepts_occur_nowhere_else(described: dict, records: list[Record]) -> None:
    never = {record.label for record in records if record.split == "zero_shot"}
    trained = {record.label for record in records if record.split != "zero_shot"}
    assert not never & trained
    assert 0.08 < len(never) / len(described["classes"]) < 0.12


def test_held_out_vendors_are_not_trained(records: list[Record]) -> None:
    held_out: dict[str, dict[int, str]] = {"test": {}, "validation": {}}
    for record in records:
        if record.split in held_out:
            assert record.label not in held_out[record.split]  # one drawing each
            held_out[record.split][record.label] = record.vendor
    trained = {(r.label, r.vendor) for r in records if r.split == "train"}
    labels = {label for label, _ in trained}
    assert held_out["test"].keys() == labels
    assert 0.1 < len(held_out["validation"]) / len(labels) < 0.15
    for part in held_out.values():
        assert not trained & set(part.items())
    both = held_out["test"].items() & held_out["validation"].items()
    assert not both


def test_no_held_out_picture_is_trained(records: list[Record]) -> None:
    def digests(train: bool) -> set[bytes]:
        kept = [record for record in records if (record.split == "train") == train]
        return {hashlib.sha256(record.image).digest() for record in kept}

    assert not digests(True) & digests(False)


def test_pictures_decode(records: list[Record]) -> None:
    dataset = tf.data.Dataset.from_tensor_slices([record.image for record in records])
    dataset = dataset.map(lambda image: tf.image.decode_png(image, channels=3))
    pictures = np.stack(list(dataset.as_numpy_iterator()))
    assert pictures.shape == (len(records), 64, 64, 3)
    # None is blank, and the corners of most show the white ground.
    assert pictures.std((1, 2, 3)).min() > 2
    assert (pictures[:, 0, 0] == 255).all(-1).mean() > 0.8


def test_size_checksums_and_licences(described: dict) -> None:
    shipped = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in shipped) <= 15e6
    sums = json.loads((FOLDER / "checksums.json").read_text(encoding="utf-8"))
    files = {name for entry in described["splits"].values() for name in entry["files"]}
    assert sums.keys() == files | {"dataset.json"}
    assert writer.checksums(FOLDER, sums) == sums
    on_disk = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.tfrecord")}
    assert on_disk == files
    expected = {"noto": "Apache", "twemoji": "Attribution 4.0", "fluent": "MIT"}
    expected["openmoji"] = "Attribution-ShareAlike 4.0"
    for vendor, words in expected.items():
        assert words in (FOLDER / vendor / "LICENSE").read_text(encoding="utf-8")[:200]
        assert "Source:" in (FOLDER / vendor / "NOTICE").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("grinning face", "grinning face"),
        ("flag: Bosnia & Herzegovina", "flag of Bosnia and Herzegovina"),
        ("keycap: 7", "keycap 7"),
        ("family: man, woman, boy", "family of man, woman, boy"),
        ("kiss: woman, man", "kiss between woman and man"),
        ("man: bald", "bald man"),
        ("woman: red hair", "woman with red hair"),
        ("person walking: facing right", "person walking facing right"),
        ("Japanese \u201chere\u201d button", 'Japanese "here" button'),
        ("woman\u2019s boot", "woman's boot"),
    ],
)
def test_class_name(label: str, name: str) -> None:
    assert concepts.class_name(label) == name


@pytest.mark.parametrize(
    ("labels", "same"),
    [
        (["firefighter", "man firefighter", "woman firefighter"], True),
        (["person: beard", "man: red hair", "woman", "person: bald"], True),
        (["family", "family: man, boy", "family: adult, child"], True),
        (["men holding hands", "woman and man holding hands", "people holding hands"], True),
        (["person running: facing right", "woman running"], True),
        (["prince", "princess", "person with crown"], True),
        (["merman", "mermaid", "merperson"], True),
        (["boy", "girl", "child"], True),
        (["flag: France", "flag: Norway"], False),
        (["keycap: 1", "keycap: 2"], False),
        (["red heart", "blue heart"], False),
    ],
)
def test_base_group(labels: list[str], same: bool) -> None:
    assert (len({concepts.base_group(label) for label in labels}) == 1) == same


def test_clean_keywords() -> None:
    tags = ["face", ":)", "happy", "face_with_joy", "happy", "x", "don\u2019t"]
    assert concepts.clean_keywords(tags, "smiling face") == ("happy", "face with joy", "don't")


def test_file_names() -> None:
    assert packages.codepoints("1F468-200D-2764-FE0F") == "1f468-200d-2764"


def test_fluent_slugs() -> None:
    assert packages.fluent_slug("one o\u2019clock") == "one-oclock"
    assert packages.fluent_slug("piñata") == "pinata"
    assert packages.fluent_slug("phoenix") == "phoenix-bird"


def test_hash_fraction_is_fixed_and_even() -> None:
    digest = hashlib.sha256(b"clipbench_tf emoji 1|zero_shot|cat").hexdigest()
    assert splits.hash_fraction("zero_shot", "cat") == int(digest[:12], 16) / 2**48
    values = [splits.hash_fraction("test", str(i)) for i in range(4000)]
    assert min(values) >= 0 and max(values) < 1
    np.testing.assert_allclose(np.histogram(values, 4, (0, 1))[0], 1000, atol=100)


def test_vendor_splits() -> None:
    counts: Counter[tuple[str, ...]] = Counter()
    for i in range(2000):
        made = splits.vendor_splits(str(i), f"group {i}", {"a", "b", "c"})
        counts[tuple(sorted(made.values()))] += 1
        assert made == splits.vendor_splits(str(i), f"group {i}", {"c", "b", "a"})
    assert counts.keys() == {
        ("zero_shot",) * 3,
        ("test", "train", "train"),
        ("test", "train", "validation"),
    }
    assert 150 < counts[("zero_shot",) * 3] < 250
    assert 170 < counts[("test", "train", "validation")] < 280
    trained = next(str(i) for i in range(99) if splits.hash_fraction("zero_shot", str(i)) > 0.1)
    two = splits.vendor_splits(trained, trained, {"a", "b"})
    assert sorted(two.values()) == ["test", "train"]
    unclear = splits.vendor_splits(trained, trained, {"a", "b"}, frozenset({"a"}))
    assert unclear == {"a": "train", "b": "test"}


def test_other_styles_of_a_held_out_vendor_are_left_out() -> None:
    codes = {str(i): f"group {i}" for i in range(300)}
    styles = {code: {"noto", "fluent", "fluent_flat"} for code in codes}
    made = splits.assign(codes, styles, set())
    for code in codes:
        flat = made.get(("fluent_flat", code))
        assert flat == ("train" if made["fluent", code] == "train" else None)


def test_twins_redundancy_groups_and_leaks() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    nearly = np.clip(base.astype(int) + rng.integers(-3, 4, base.shape), 0, 255).astype(np.uint8)
    patched = base.copy()
    patched[8:16, 8:16] = 255 - patched[8:16, 8:16]  # small, but there
    other = 255 - base
    pictures = {("a", "1"): base, ("a", "2"): nearly, ("a", "3"): patched, ("b", "1"): other}
    twins = splits.find_twins(pictures)
    assert twins == [(("a", "1"), ("a", "2"))]

    preference = {"1": (9, 0), "2": (4, 1), "3": (5, 2)}
    same = splits.redundant_concepts(twins, {"1": {"a", "b"}, "2": {"a", "b"}}, preference)
    assert same == {"1": "2"}  # one of two vendors: half
    three = {"a", "b", "c"}
    assert splits.redundant_concepts(twins, {"1": three, "2": three}, preference) == {}

    joined = splits.join_groups({"1": "x", "2": "y", "3": "z"}, twins)
    assert joined["1"] == joined["2"] != joined["3"]
    assert splits.ambiguous_drawings(["1", "2"], twins) == {("a", "1"), ("a", "2")}
    assert splits.ambiguous_drawings(["1", "3"], twins) == set()

    assigned = {("a", "1"): "train", ("a", "2"): "test", ("a", "3"): "train"}
    assert splits.drop_leaks(assigned, twins) == [("a", "1")]


def test_captions_by_hand() -> None:
    concept = concepts.Concept(
        code="1f600",
        label="angry face",
        name="angry face",
        group="smileys & emotion",
        subgroup="face negative",
        keywords=("cross", "mad", "grumpy", "rage", "anger"),
        openmoji_keywords=("furious",),
        base="angry face",
    )
    texts = captions.captions(concept, "noto")
    assert texts[0] == "angry face"
    assert "face negative: angry face" in texts
    assert "Noto emoji of an angry face" in texts
    assert texts == captions.captions(concept, "noto") != captions.captions(concept, "twemoji")
    assert not any("furious" in text for text in texts)  # OpenMoji's words stay with OpenMoji
    assert captions.article("clinking glasses") == captions.article("Pisces") == ""
    assert (captions.article("glass"), captions.article("octopus")) == ("a ", "an ")


def test_records_serialize_the_same_each_time() -> None:
    first = writer.serialize("noto/1f600", b"png", ["a", "b"], 7)
    assert first == writer.serialize("noto/1f600", b"png", ["a", "b"], 7)
    feature = tf.train.Example.FromString(first).features.feature
    assert set(feature) == {"key", "image", "captions", "label"}
    assert list(feature["captions"].bytes_list.value) == [b"a", b"b"]
