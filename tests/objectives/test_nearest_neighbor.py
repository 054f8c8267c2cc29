"""Nearest-neighbour supervision against NumPy, and the life of its queue."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.features import unit
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from tests.objectives import reference
from tests.objectives.samples import arrays, assert_close, features, loss_and_gradients


def built(sample, **arguments):
    objective = NearestNeighbor(**arguments)
    objective(sample)
    return objective


def queue(objective):
    return objective.queue.numpy()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("views", [((0, 1), (0, 1)), ((0,), (1,))])
def test_value_and_gradient(symmetric, views):
    sample = features(3)
    image_views, text_views = views
    objective = built(
        sample, size=16, symmetric=symmetric, image_views=image_views, text_views=text_views
    )
    entries = queue(objective).astype(np.float64)
    images = [sample.images[i].embedding for i in image_views]
    loss, gradients = loss_and_gradients(objective, sample, images)

    def by_hand(*images):
        losses = []
        for image in images:
            for t in text_views:
                neighbors = reference.nearest(sample.texts[t].embedding.numpy(), entries)
                losses.append(reference.info_nce(image, neighbors, 5.0))
                if symmetric:
                    losses.append(reference.info_nce(neighbors, image, 5.0))
        return np.mean(losses)

    assert_close([loss], [by_hand(*arrays(images))])
    assert_close(gradients, reference.numeric_gradients(by_hand, *arrays(images)))


def test_neighbours_carry_no_gradient():
    sample = features(3)
    texts = [x.embedding for x in sample.texts]
    _, gradients = loss_and_gradients(built(sample, size=16), sample, texts)
    assert all(np.abs(g).max() == 0 for g in gradients)


def test_starts_with_seeded_random_directions():
    sample = features(3)
    start = queue(built(sample, size=50))
    np.testing.assert_allclose(np.linalg.norm(start, axis=1), 1, rtol=1e-5)
    assert np.abs(start @ start.T - np.eye(50)).max() < 0.999
    np.testing.assert_array_equal(start, queue(built(sample, size=50)))
    assert not np.array_equal(start, queue(built(sample, size=50, seed=1)))


def test_enqueues_unit_features_in_the_released_order_and_wraps_without_a_gap():
    sample = features(3)
    objective = built(sample, size=8)
    start = queue(objective)
    first, second = (unit(x.embedding).numpy() for x in sample.texts)
    new = np.concatenate([second, first])

    objective(sample, training=True)
    assert_close([queue(objective)], [np.concatenate([new, start[6:]])], 1e-6)
    objective(sample, training=True)
    assert_close([queue(objective)], [np.concatenate([new[2:], new[4:6], new[:2]])], 1e-6)
    assert objective.pointer.numpy() == 12 % 8


def test_queries_see_the_queue_before_the_step_enters_it():
    sample = features(3)
    objective = built(sample, size=16)
    before = objective(sample)
    assert_close([objective(sample, training=True)], [before], 1e-6)
    # Now each caption finds itself.
    entries = [unit(sample.texts[t].embedding) for t in (0, 1)]
    assert_close([objective.nearest(x) for x in entries], entries, 1e-6)


def test_evaluation_leaves_the_queue_alone():
    sample = features(3)
    objective = built(sample, size=16)
    before = objective.get_weights()
    objective(sample, training=False)
    assert_close(objective.get_weights(), before, 0)


def test_queue_of_one_direction_gives_log_batch():
    sample = features(5)
    objective = built(sample, size=16, symmetric=False)
    objective.queue.assign(unit(tf.ones([16, 6])))
    assert_close([objective(sample)], [np.log(5)])


def test_more_than_the_queue_holds_is_refused():
    sample = features(5)
    objective = built(sample, size=9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="make its size larger"):
        objective(sample, training=True)
    built(sample, size=10)(sample, training=True)


def test_queue_is_restored_from_a_checkpoint(tmp_path):
    sample = features(3)
    one = built(sample, size=8)
    one(sample, training=True)
    path = tf.train.Checkpoint(model=one).save(str(tmp_path / "state"))
    other = built(sample, size=8, seed=1)
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    assert_close(other.get_weights(), one.get_weights(), 0)
    for objective in (one, other):
        objective(sample, training=True)
    assert_close(other.get_weights(), one.get_weights(), 0)
