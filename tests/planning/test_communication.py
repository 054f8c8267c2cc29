"""Bytes received, by hand and against what two replicas count."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.objectives.optimal_transport import OptimalTransport
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.planning.costs import communication
from tests.planning import small

HALF = small.PAIRS // 2


def objectives() -> list[Objective]:
    return [
        MultiView(),
        ImageSimCLR(image_views=(0, 1), widths=(16, 8)),
        ImageSimSiam(projector_widths=(16,), predictor_widths=(16,)),
        NearestNeighbor(size=64),
        NearestNeighbor(size=64, symmetric=False, enqueued_views=(0,), name="one_way"),
        TextMLM(),
        FineGrained(width=8),
        FineGrained(width=8, selection_count=16, name="16_tokens"),
        OptimalTransport(),
    ]


def test_an_all_gather_and_a_ring_all_reduce():
    assert communication.gather(10, 1) == communication.all_reduce(10, 1) == 0
    assert communication.gather(10, 4) == 30
    assert communication.all_reduce(10, 4) == 15
    # 6 numbers in bfloat16 from each of 3 others, and all 24 back and forth in float32.
    assert communication.gather_with_gradient(6, 2, 4) == 3 * 12 + 1.5 * 4 * 24


def test_image_text_by_hand():
    made = small.method()
    (found,) = communication.bytes_by_objective(made, 128, 32, 24).values()
    one = 128 * 32 * 4
    assert found == 2 * (31 * one + 2 * 31 / 32 * 32 * one)


@pytest.mark.slow
def test_two_replicas_count_the_same(two_replicas):
    with two_replicas.scope():
        made = small.method(*objectives())
    counted = traffic(made, two_replicas)
    found = communication.bytes_by_objective(made, HALF, 2, small.LENGTH)
    assert len(found) == len(made.objectives) == 10
    assert set(found) == {o.name for o in made.objectives}
    for objective, received in found.items():
        if objective == "text_mlm":  # one number, by a sum that is not counted
            assert received == 4 and objective not in counted
        else:
            np.testing.assert_allclose(counted.get(objective, 0.0), received, err_msg=objective)


def traffic(made, strategy) -> dict[str, float]:
    """What the first replica counts in a step on its half of the batch."""
    batches = strategy.experimental_distribute_values_from_function(
        lambda _: {name: tensor[:HALF] for name, tensor in small.batch().items()}
    )

    def step(batch):
        with replicas.traffic() as received:
            _, gradients = made.gradients(batch, [v.value for v in made.trainable_variables])
        with tf.control_dependencies([g for g in gradients if isinstance(g, tf.Tensor)]):
            return {name: tf.identity(number) for name, number in received.items()}

    counted = tf.function(lambda b: strategy.run(step, args=(b,)), autograph=False)(batches)
    return {
        name: float(strategy.experimental_local_results(number)[0])
        for name, number in counted.items()
    }


def test_gradients_and_batch_norms_by_hand():
    made = small.method(ImageSimSiam(projector_widths=(16, 8), predictor_widths=(4, 8)))
    trained = sum(v.value.shape.num_elements() for v in made.trainable_variables)
    assert communication.of_gradients(made, 4) == 2 * 3 / 4 * 4 * trained
    # Norms of 16, 8 and 4 channels, two views, two moments of four replicas, and back.
    assert communication.of_batch_norms(made, 4, 2) == 2 * (
        2 * 3 / 4 * 4 * 2 * 4 * 2 * (16 + 8 + 4)
    )
    alone = small.method(ImageSimSiam(synchronized=False))
    assert communication.of_batch_norms(alone, 4, 2) == 0


def test_an_unknown_objective_is_left_out():
    class Unknown(Objective):
        def call(self, features, training=False):
            return tf.reduce_mean(features.images[0].embedding)

    made = small.method(Unknown(weight=1.0, name="unknown"))
    assert set(communication.bytes_by_objective(made, 4, 2, 24)) == {"image_text"}
