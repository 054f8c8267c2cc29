"""The runs of a suite: what they bind, that they are comparable, and what they are called."""

import re

import pytest

from clipbench_tf import config
from clipbench_tf.leaderboard.fairness import parameters, unnamed
from clipbench_tf.planning import from_gin
from clipbench_tf.suites import jobs as made
from clipbench_tf.suites import suite
from clipbench_tf.suites.suite import SuiteError
from tests.suites import own

SUITES = ("table3", "table4", "table5")


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("scale", ["emoji", "paper"])
def test_rows_bind_nothing_else_than_they_name(name, scale):
    found, _ = suite.load(name, scale)
    made.check_fair(found, made.configurations(found))


@pytest.mark.parametrize("name", SUITES)
def test_nor_do_their_operative_configs_with_all_defaults_differ(name):
    found, _ = suite.load(name, "emoji")
    configs = {}
    for row in found.rows:
        files, bindings = found.parts(row)
        from_gin.build(files, bindings, examples=None if name != "table3" else 5012)
        configs[row] = re.sub(r"'/[^']*/(train|evaluation)'", r"'\1'", config.operative())
        assert "recipe.Recipe.beta_2 = 0.98" in configs[row]  # a default
    assert unnamed(configs, found.factors, found.touches) == []
    assert all(
        parameters(text)["data.pipeline.Pipeline.batch_size"] == "128" for text in configs.values()
    )


@pytest.mark.parametrize("method", ["CLIP", "SLIP", "FILIP", "DeCLIP", "DeFILIP"])
def test_a_row_is_the_gin_file_of_its_method(method):
    found, _ = suite.load("table4", "emoji")
    mine = made.configurations(found)[method, "ResNet50"]
    config.parse([f"gin/{method.lower()}.gin"])
    assert mine == config.bound()


@pytest.mark.parametrize("name", SUITES)
def test_a_row_of_the_paper_is_its_file_in_gin_paper(name):
    found, _ = suite.load(name, "paper")
    configs = made.configurations(found)
    for row, text in configs.items():
        if row == ("DeFILIP", "ResNet50"):
            continue
        level = {"table3": "{}", "table4": "{}", "table5": "text{}"}[name].format(row[1])
        slug = f"{row[0]}_{level}".lower().replace("vit-b/32", "vit_b32")
        config.parse([f"gin/paper/{name}_{slug}.gin"])
        assert text == config.bound(), slug


def test_a_setting_that_is_slipped_in_is_refused(tmp_path):
    path = own.write(
        tmp_path,
        ("['methods/otter.gin']", "['methods/otter.gin', 'recipe.Recipe.epochs = 32']"),
    )
    found, _ = suite.load(path, "emoji")
    with pytest.raises(
        SuiteError, match=r"Recipe.epochs \(16 and 32\), which method does not name"
    ):
        made.check_fair(found, made.configurations(found))


def test_a_learning_rate_of_its_own_is_a_factor(tmp_path):
    path = own.write(
        tmp_path,
        ("('method', 'image encoder')", "('method', 'learning rate')"),
        ("['data']", "['data', 'ResNet50']"),
        ("('OTTER', 'ResNet50')", "('OTTER', 'low')"),
        ("('CLIP', 'ResNet50')", "('CLIP', 'high')"),
        (
            "{'OTTER': ['methods/otter.gin']}",
            "{'OTTER': ['methods/otter.gin'], 'high': [], "
            "'low': ['recipe.Recipe.peak_learning_rate = 1e-3']}\n"
            "suite.Suite.touches = "
            "{'learning rate': ['optimization.recipe.Recipe.peak_learning_rate']}",
        ),
    )
    found, facts = suite.load(path, "emoji")
    made.check_fair(found, made.configurations(found))
    assert facts.touches["learning rate"] == ("optimization.recipe.Recipe.peak_learning_rate",)


def test_seeds_are_the_outer_loop_and_part_of_the_key(tmp_path):
    found, facts = suite.load(own.write(tmp_path), "emoji")
    some = made.jobs(found, facts, seeds=2, output=tmp_path, bindings=["recipe.Recipe.epochs = 8"])
    assert [(job.row[0], job.seed) for job in some] == [
        *(("CLIP", 0), ("OTTER", 0)),
        *(("CLIP", 1), ("OTTER", 1)),
    ]
    assert len({job.key for job in some}) == 4
    # 5,638 pairs in batches of 128, 8 times
    assert {job.steps for job in some} == {round(8 * 5638 / 128)}
    assert some[3].workdir == tmp_path / "my/otter-resnet50/seed1"
    assert some[3].record == tmp_path / "records/my/otter-resnet50_seed1.json"
    config.parse(some[3].files, some[3].bindings)
    assert config.value("pipeline.Pipeline.seed") == config.value("strategy.prepare.seed") == 1
    again = made.jobs(found, facts, seeds=1, output=tmp_path)
    assert again[0].key != some[0].key and again[0].steps == 705


def test_rows_of_two_suites_may_be_one_configuration():
    four, five = (suite.load(name, "emoji")[0] for name in ("table4", "table5"))
    fours, fives = made.configurations(four), made.configurations(five)
    for method in ("CLIP", "DeFILIP"):
        assert fours[method, "ViT-B/32"] == fives[method, 1]
    assert len({*fours.values(), *fives.values()}) == 10 + 8 - 2


def test_a_row_that_cannot_be_trained_is_named(tmp_path):
    path = own.write(
        tmp_path, ("['methods/otter.gin']", "['methods/otter.gin', 'datasets/none.gin']")
    )
    found, facts = suite.load(path, "emoji")
    with pytest.raises(SuiteError, match=r"OTTER, ResNet50 cannot be trained: .*none.gin"):
        made.jobs(found, facts, seeds=1, output=tmp_path)


@pytest.mark.parametrize(
    ("row", "name"),
    [(("CLIP", "ViT-B/32"), "clip-vit-b-32"), (("A B", 0.5, 12), "a-b-0.5-12"), (("/../",), "..")],
)
def test_a_row_makes_the_name_of_a_file(row, name):
    assert made.slug(row) == name
