"""Suites and scales: what they hold, and what is refused."""

import pytest

from clipbench_tf.config import ConfigError
from clipbench_tf.leaderboard.paper import NUMBERS
from clipbench_tf.suites import suite
from clipbench_tf.suites.suite import SuiteError
from tests.suites import own


@pytest.mark.parametrize("name", ["table3", "table4", "table5"])
@pytest.mark.parametrize("scale", ["emoji", "paper"])
def test_a_shipped_suite_has_the_rows_of_the_papers_table_and_at_most_one_more(name, scale):
    found, facts = suite.load(name, scale)
    published = NUMBERS[name]
    assert [row for row in found.rows if row in published] == list(published)
    more = set(found.rows) - set(published)
    assert more == ({("DeFILIP", "ResNet50")} if name == "table4" else set())
    assert (facts.name, facts.scale, facts.factors) == (name, scale, found.factors)
    assert set(facts.touches) == set(found.factors)


def test_parts_that_all_rows_have_follow_those_of_the_row():
    found, _ = suite.load("table3", "emoji")
    files, bindings = found.parts(("DeFILIP", "V1"))
    assert files == [
        *("methods/defilip.gin", "datasets/openclipart_v1.gin"),
        *("models/emoji_vit.gin", "recipes/emoji.gin"),
    ]
    assert bindings[-2:] == ["CONTEXT_LENGTH = 32", "pipeline.Pipeline.examples = 5012"]
    assert "text_mlm.TextMLM.vocabulary = 8192" in bindings


def test_a_users_suite_adds_levels(tmp_path):
    found, facts = suite.load(own.write(tmp_path), "emoji")
    assert facts.name == "my"
    assert found.parts(("OTTER", "ResNet50"))[0] == [
        *("methods/otter.gin", "models/emoji_resnet.gin"),
        *("datasets/emoji.gin", "recipes/emoji.gin"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("('OTTER', 'ResNet50')]", "('OTTER',)]", "has 1 levels for the factors method, image"),
        ("('OTTER', 'ResNet50')]", "('CLIP', 'ResNet50')]", "CLIP, ResNet50 stands twice"),
        ("'OTTER': [", "'OTHER': [", "no level 'OTTER', only CLIP, SLIP"),
        ("common = ['data']", "common = ['photos']", "no level 'photos'"),
        ("('method', 'image encoder')", "('method', 'rate')", "Nothing is known of the factor"),
        ("'method': 'CLIP'", "'method': 'SLIP'", "baseline 'method': 'SLIP' is in no row"),
        ("[('CLIP', 'ResNet50'), ('OTTER', 'ResNet50')]", "[]", "rows is empty"),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_remedy(before, after, told, tmp_path):
    path = own.write(tmp_path, (before, after))
    with pytest.raises(ValueError, match=told):
        suite.load(path, "emoji")


def test_a_typing_error_and_a_missing_file_are_told(tmp_path):
    with pytest.raises(ConfigError, match="titel"):
        suite.load(own.write(tmp_path, ("title", "titel")), "emoji")
    with pytest.raises(ConfigError, match=r"no gin file 'suites/table6.gin'"):
        suite.load("table6", "emoji")
    with pytest.raises(ConfigError, match=r"no gin file 'scales/large.gin'"):
        suite.load("table4", "large")


def test_a_level_of_numbers_is_no_level_of_text():
    found, _ = suite.load("table5", "emoji")
    assert 12 in found.levels and "12" not in found.levels
    with pytest.raises(SuiteError, match="no level '12'"):
        suite.Suite(title="", factors=("text layers",), rows=[("12",)], scale=found.scale)
