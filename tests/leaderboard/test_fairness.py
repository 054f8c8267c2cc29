"""What may differ between rows, and what is told."""

import pytest

from clipbench_tf.leaderboard.fairness import TOUCHES, differences, parameters, unnamed

HEAD = """from clipbench_tf import method
from clipbench_tf.data import pipeline
from clipbench_tf.data.images import image_views
from clipbench_tf.objectives import image_text
from clipbench_tf.optimization import recipe as plan
from mine import loss
"""


def config(*lines: str) -> str:
    return "\n".join([HEAD, "# Macros:", *lines])


def test_parameters_have_their_full_names_and_one_line_values():
    found = parameters(
        config(
            "SIZE = 64",
            "plan.Recipe.epochs = 16",
            "light/image_views.View.scale = (0.5, 1.0)",
            "method.Method.objectives = \\\n    [@image_text.ImageText(),\n     @loss.Loss()]",
            "loss.Loss.weight = 2",
        )
    )
    assert found == {
        "SIZE": "64",
        "optimization.recipe.Recipe.epochs": "16",
        "light/data.images.image_views.View.scale": "(0.5, 1.0)",
        "method.Method.objectives": "[@image_text.ImageText(), @loss.Loss()]",
        "mine.loss.Loss.weight": "2",
    }


def test_differences_have_both_values():
    one = config("SIZE = 64", "plan.Recipe.epochs = 16", "image_text.ImageText.weight = 1.0")
    other = config("SIZE = 64", "plan.Recipe.epochs = 8")
    assert differences(one, other) == {
        "optimization.recipe.Recipe.epochs": ("16", "8"),
        "objectives.image_text.ImageText.weight": ("1.0", None),
    }


def test_a_view_may_be_unused_but_not_another():
    light, strong = "light/image_views.View.scale = 0.5", "strong/image_views.View.scale = 0.5"
    assert differences(config(light), config(strong)) == {}
    assert differences(config(light), config(light.replace("0.5", "0.6"))) == {
        "light/data.images.image_views.View.scale": ("0.5", "0.6")
    }


@pytest.mark.parametrize(
    ("line", "fair"),
    [
        ("image_text.ImageText.weight = 0.4", True),
        ("method.Method.objectives = [@loss.Loss()]", True),
        ("plan.Recipe.epochs = 32", False),
        ("pipeline.Pipeline.batch_size = 64", False),
        ("pipeline.Pipeline.caption_views = []", True),
        ("pipeline.Pipeline.seed = 1", False),
        ("method.Method.temperature = 0.1", False),
        ("loss.Loss.weight = 3", False),
        ("SIZE = 96", False),
    ],
)
def test_a_method_brings_its_signals_and_views_alone(line, fair):
    configs = {("CLIP",): config("SIZE = 64"), ("OWN",): config("SIZE = 64", line)}
    if line.startswith("SIZE"):
        configs["OWN",] = config(line)
    assert (unnamed(configs, ["method"], TOUCHES) == []) is fair


def test_what_a_user_names_may_differ():
    configs = {
        ("CLIP", 1e-3): config("plan.Recipe.peak_learning_rate = 0.001"),
        ("CLIP", 2e-3): config("plan.Recipe.peak_learning_rate = 0.002"),
    }
    factors = ["method", "learning rate"]
    (line,) = unnamed(configs, factors, TOUCHES)
    assert "CLIP 0.001 and CLIP 0.002 differ in optimization.recipe.Recipe.peak_learning" in line
    touches = {**TOUCHES, "learning rate": ("optimization.recipe.Recipe.peak_learning_rate",)}
    assert unnamed(configs, factors, touches) == []


def test_rows_are_compared_with_each_other_and_not_with_the_first_alone():
    encoder = "method.Method.image_encoder = @{}()"
    configs = {
        ("CLIP", "a"): config(encoder.format("a")),
        ("SLIP", "b"): config(encoder.format("b")),
        ("FILIP", "b"): config(encoder.format("c")),
    }
    (line,) = unnamed(configs, ["method", "image encoder"], TOUCHES)
    assert line.startswith("SLIP b and FILIP b differ in method.Method.image_encoder (@b() and @c(")
