"""What a prepared data set says of itself."""

import json

import pytest

from clipbench_tf.data.preparation import manifest
from clipbench_tf.data.preparation.engine.beam_run import Where
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.prepare import prepare
from clipbench_tf.data.readers.pair import Pair
from tests.data.preparation.inputs import made_pairs


@pytest.fixture
def made(tmp_path) -> dict:
    """The manifest of a data set of 20 pairs, of which one is broken and two are there twice."""
    pairs = [Pair(p.key, p.image, (*p.captions, "no <b></b>", " ")) for p in made_pairs.pairs(20)]
    pairs[4] = Pair("broken", b"no picture", ("one", "two"))
    pairs[15], pairs[16] = pairs[2], pairs[3]
    source = made_pairs.write(tmp_path / "in", train=pairs)
    options = Options(source, statistics=False)
    return prepare(options, str(tmp_path / "out"), Where(), tell=lambda line: None)


def test_the_file_holds_what_is_returned(made, tmp_path):
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == made
    assert manifest.read(f"{tmp_path}/out") == made
    assert made["options"]["source"] == f"{tmp_path}/in"
    assert {"python", "tensorflow", "apache-beam", "clipbench_tf"} <= made["versions"].keys()


def test_pairs_are_accounted_for_by_split_and_by_part(made):
    assert made["input"]["train"]["dropped"] == {
        "duplicate key": {"pairs": 2, "keys": ["key/2", "key/3"]},
        "picture cannot be decoded": {"pairs": 1, "keys": ["broken"]},
    }
    parts = {name: (part["pairs"], part["kept"]) for name, part in made["parts"].items()}
    assert parts == {"train/train-0.tfrecord": (10, 9), "train/train-1.tfrecord": (10, 8)}
    within = made["duplicates"]["before each like them in a split"]["train"]
    assert within == {"key": 2, "picture": 2, "captions": 2}


def test_captions_are_accounted_for(made):
    found = 19 * 3 + 2
    assert made["captions"]["found"] == found
    assert made["captions"]["kept"] == made["output"]["train"]["captions"] == 17 * 2
    assert made["captions"]["dropped"] == {
        "caption empty": 19,
        "picture cannot be decoded": 2,
        "with its picture, or as a duplicate": 4,
    }
    assert found == 17 * 2 + 19 + 2 + 4


def test_a_manifest_of_another_program_is_none_of_ours(tmp_path):
    (tmp_path / "manifest.json").write_text('{"made_by": "somebody"}')
    assert manifest.read(str(tmp_path)) is None


def test_the_table_shows_splits_and_reasons():
    content = {
        "input": {
            "train": {"pairs": 1200, "kept": 1195, "dropped": {"reason": {"pairs": 5}}},
            "test": {"pairs": 7, "kept": 7, "dropped": {}},
        }
    }
    assert manifest.table(content).splitlines() == [
        "           train  test",
        "pairs in   1,200     7",
        "- reason       5     0",
        "pairs out  1,195     7",
    ]


def test_classes_and_prompts_are_those_of_the_source(tmp_path):
    prepare(
        Options("synthetic:20?classes=3", drop_duplicates=(), statistics=False),
        f"{tmp_path}/out",
        Where(),
        tell=lambda line: None,
    )
    fields = json.loads((tmp_path / "out/dataset.json").read_text())
    assert len(fields["classes"]) == 3
    assert fields["templates"] == ["a photo of a {}"]
    assert {pair.label for pair in made_pairs.read(tmp_path / "out")} == {0, 1, 2}
