"""Memory of weights, optimizer and batch against that of a method that is built."""

import keras
import pytest

from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.optimization.recipe import Recipe
from clipbench_tf.planning import plan
from clipbench_tf.planning.costs import memory
from clipbench_tf.planning.costs.operations import Costs
from tests.planning import small


@pytest.fixture(
    scope="module",
    params=[
        "float32",
        pytest.param("mixed_bfloat16", marks=pytest.mark.bfloat16),
        "mixed_float16",
    ],
)
def built(request):
    keras.config.set_dtype_policy(request.param)
    method = small.method(NearestNeighbor(size=64), ImageSimSiam())
    keras.config.set_dtype_policy("float32")
    return method


def test_the_optimizer_exactly(built):
    optimizer = Recipe().optimizer(built.trainable_variables, 100)
    held = sum(v.value.dtype.size * v.value.shape.num_elements() for v in optimizer.variables)
    assert memory.optimizer(built) == held


def test_weights_exactly(built):
    held = sum(v.value.dtype.size * v.value.shape.num_elements() for v in built.variables)
    found = memory.memory(built, small.work(built), [Costs()], [Costs()])
    assert found.weights == held
    assert found.gradients == 4 * sum(v.shape.num_elements() for v in values(built))
    assert found.exchanged == 0


def values(built):
    return [v.value for v in built.trainable_variables]


def test_parameters_are_those_of_the_method(built):
    found = plan.parameters(built)
    assert found["total"] == built.count_params()
    assert found["image tower"] == built.image_encoder.count_params()
    assert found["image_simsiam"] == built.objectives[2].count_params()


def test_a_batch_exactly(built):
    held = sum(
        t.dtype.size * t.shape.num_elements()
        for name, t in small.batch().items()
        if name != "position"
    )
    assert memory.batch(built, small.work(built)) == held
