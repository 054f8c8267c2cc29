"""L_MVS of equation 6: which pairs, and their mean."""

import numpy as np
import pytest

from clipbench_tf.objectives.multi_view import MultiView
from tests.objectives import reference
from tests.objectives.samples import arrays, assert_close, features, loss_and_gradients


def by_hand(pairs, images, texts, scale):
    return np.mean([reference.image_text(images[i], texts[t], scale) for i, t in pairs])


@pytest.mark.parametrize(
    "pairs", [((0, 1), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 0), (1, 1)), ((2, 1),)]
)
def test_value_and_gradient(pairs):
    sample = features(3)
    embeddings = [x.embedding for x in (*sample.images, *sample.texts)]
    loss, gradients = loss_and_gradients(MultiView(pairs=pairs), sample, embeddings)

    def loss_by_hand(*arrays):
        return by_hand(pairs, arrays[:3], arrays[3:], 5.0)

    assert_close([loss], [loss_by_hand(*arrays(embeddings))])
    assert_close(gradients, reference.numeric_gradients(loss_by_hand, *arrays(embeddings)))


def test_default_is_the_2_x_2_without_the_pair_of_l_clip():
    assert set(MultiView().pairs) == {(0, 1), (1, 0), (1, 1)}


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        MultiView(pairs=())
