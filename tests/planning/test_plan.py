"""Plans of gin files: those of the paper, recipes that do not fit, and the remedies."""

import dataclasses
import json

import keras
import pytest

from clipbench_tf import config
from clipbench_tf.data import sources
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.optimization.recipe import Recipe
from clipbench_tf.planning import data_set, planner, remedies, report
from clipbench_tf.planning.costs import blueprint, devices
from clipbench_tf.planning.plan import plan
from tests.gin_files import PAPER, RUNNABLE
from tests.models import hub_presets
from tests.planning import small

A100 = devices.find("a100")


@pytest.fixture(autouse=True)
def _forget():
    """Otherwise Keras would later initialise the variables that a plan left without values."""
    yield
    keras.backend.clear_session()


# Towers of full size take seconds each: one of each kind is quick, the others are marked slow.
QUICK = {"table4_defilip_vit_b32.gin", "table4_slip_resnet50.gin", "table5_clip_text1.gin"}
ROWS = [
    pytest.param(name, marks=() if name.split("/")[1] in QUICK else pytest.mark.slow)
    for name in PAPER
]


@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_the_paper(name):
    made = planner.plan_recipe([f"gin/{name}"], [], device=A100, count=32)
    examples = 14_747_529 if name.endswith("_v1.gin") else 15_388_848
    assert made.pairs.examples == examples
    assert made.plan.steps == Recipe().total_steps(examples / 4096)
    assert made.plan.work.batch == 128
    assert not made.plan.left_out
    assert 0.01 < made.plan.days < 30
    assert "32 x a100-40g" in made.text()
    plain = json.loads(json.dumps(made.as_dict()))
    assert plain["memory"]["fits"] == made.plan.fits
    assert plain["parameters"]["total"] > 80e6


OTHERS = [n for n in RUNNABLE if n not in PAPER and "hub" not in n]


def test_a_tower_without_costs_is_named():
    with pytest.raises(ValueError, match="no costs for the tower HubImage"):
        planner.plan_recipe(
            ["gin/hub_lit.gin"], hub_presets.bindings(), device=devices.find("cpu"), count=1
        )


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_recipe_has_the_parameters_it_is_trained_with(name):
    made = planner.plan_recipe([f"gin/{name}"], [], device=devices.find("cpu"), count=1)
    assert made.pairs.source == "dataset.json"
    assert made.plan.fits


def test_a_blueprint_has_all_variables_of_the_method():
    config.parse(["gin/defilip.gin"])
    config.build("strategy.prepare")
    trainer = planner.from_gin.build(["gin/defilip.gin"])[0]
    blueprint.create_variables(trainer.method, trainer.pipeline, 16)
    created = sorted((v.path, tuple(v.shape), v.dtype) for v in trainer.method.variables)
    trainer = planner.from_gin.build(["gin/defilip.gin"])[0]
    trainer.method.build(
        {
            "images": keras.ops.zeros([1, 2, 64, 64, 3], "uint8"),
            "ids": keras.ops.zeros([1, 2, 16], "int32"),
            "mlm_labels": keras.ops.zeros([1, 16], "int32"),
        }
    )
    built = sorted((v.path, tuple(v.shape), v.dtype) for v in trainer.method.variables)
    assert created == built
    assert blueprint.count(trainer.method.variables) == trainer.method.count_params()


def test_too_large_names_the_first_change_that_fits():
    made = planner.plan_recipe(
        ["gin/paper/table4_clip_vit_b32.gin"], [], device=A100, count=2, examples=10**7
    )
    assert not made.plan.fits
    assert made.remedy is not None and made.remedy.plan.fits
    assert "IT DOES NOT FIT" in made.text()


def test_remedies_keep_the_numbers_first_then_lower_precision_then_take_more_devices():
    method = small.method()
    flags = [
        flags for flags, _ in remedies.candidates(method, small.work(method, replicas=2), A100)
    ]
    assert flags[0] == ('--gin_bindings="vision_transformer.VisionTransformer.recompute = True"',)
    assert len(flags[1]) == 2
    assert flags[2][-1] == '--gin_bindings="method.Method.chunks = 2"'
    assert any("precision = 'mixed_bfloat16'" in flag for flag in flags[-1])
    assert flags[-1][-1] == "--devices=32"


@pytest.mark.slow
def test_the_plan_with_a_remedy_is_the_one_that_was_announced():
    arguments = {"device": devices.find("v100"), "count": 8, "examples": 10**7}
    half = ["strategy.prepare.precision = 'mixed_float16'"]
    file = ["gin/paper/table4_defilip_vit_b32.gin"]
    made = planner.plan_recipe(file, half, **arguments)
    assert made.remedy is not None
    bindings = [f.split('"')[1] for f in made.remedy.flags]
    followed = planner.plan_recipe(file, [*half, *bindings], **arguments)
    assert followed.plan.memory == made.remedy.plan.memory
    assert followed.plan.time == made.remedy.plan.time


def test_batch_norms_forbid_chunks():
    made = small.method(image=small.resnet())
    flags = [" ".join(f) for f, _ in remedies.candidates(made, small.work(made), A100)]
    assert not any("chunks" in f or "VisionTransformer" in f for f in flags)


def test_nothing_fits_a_device_without_memory():
    made = small.method()
    tiny = dataclasses.replace(A100, memory=1e6)
    now = plan(made, small.work(made), tiny, 10)
    assert remedies.first_that_fits(made, now) is None
    assert any("more memory" in line for line in report.notes(now, None))


def test_a_slow_network_is_named():
    made = small.method()
    slow = dataclasses.replace(A100, node=1, network=1e3)
    lines = report.notes(plan(made, small.work(made, replicas=4), slow, 10), None)
    assert any("network is the limit" in line for line in lines)


def test_the_report_names_an_unknown_objective_as_left_out():
    class Unknown(Objective):
        def call(self, features, training=False):
            return keras.ops.mean(features.images[0].embedding)

    made = small.method(Unknown(weight=1.0, name="unknown"))
    found = plan(made, small.work(made), A100, 10)
    assert found.left_out == ("unknown (Unknown)",)
    assert any("unknown (Unknown)" in line for line in report.notes(found, None))


def test_a_data_set_without_shards_is_counted_by_its_description(tmp_path):
    folder = tmp_path / "yfcc15m_v2"
    data_set.stand_in(folder, {"train": 77})
    assert data_set.pairs(str(folder), "train") == data_set.Pairs(77, "dataset.json", 16.7)
    assert data_set.pairs(str(folder), "train", 5).examples == 5
    with pytest.raises(sources.DatasetError, match="no split 'trial'; it has train"):
        data_set.pairs(str(folder), "trial")
    (folder / "dataset.json").write_text("{}")
    with pytest.raises(sources.DatasetError, match="no description"):
        data_set.pairs(str(folder), "train")
