"""Two behaviours of the released code that are bindings of the method and of a tower."""

import numpy as np
import tensorflow as tf

from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_text import ImageText

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 2, 32, 32, 3))
IMAGES[:, 1] //= 4  # the second view is darker, so that statistics of both differ from one's


def method(separate: bool) -> Method:
    made = Method(
        image_encoder=ModifiedResNet(
            image_size=32, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=6
        ),
        text_encoder=TextTransformer(context_length=6, width=4, depth=1, heads=2, embed_dim=6),
        objectives=[ImageText()],
        separate_views=separate,
    )
    made.build(
        {"images": tf.zeros([1, 2, 32, 32, 3], tf.uint8), "ids": tf.ones([1, 1, 6], "int32")}
    )
    return made


def test_separate_views_are_normalised_each_by_itself():
    images = tf.constant(IMAGES, tf.uint8)
    apart, together = method(separate=True), method(separate=False)
    for one, other in zip(apart.variables, together.variables, strict=True):
        other.assign(one)
    alone = [together.image_encoder(images[:, v], training=True).embedding for v in range(2)]
    for view, expected in zip(apart.encode_images(images, training=True), alone, strict=True):
        np.testing.assert_allclose(view.embedding, expected, atol=1e-5)
    joint = together.encode_images(images, training=True)
    assert np.abs(joint[0].embedding - alone[0]).max() > 1e-2
    # The running statistics follow each view in turn.
    mean = apart.image_encoder.bn1.moving_mean.numpy()
    by_hand = np.zeros_like(mean)
    for v in range(2):
        x = tf.pad(together.image_encoder.normalize(images[:, v]), [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = together.image_encoder.conv1(x).numpy()
        by_hand = 0.9 * by_hand + 0.1 * x.mean((0, 1, 2))
    np.testing.assert_allclose(mean, by_hand, atol=1e-5)


def test_frozen_patches_are_not_trained_but_saved():
    sizes = {"image_size": 8, "patch_size": 4, "width": 8, "depth": 1, "heads": 2, "embed_dim": 6}
    towers = [VisionTransformer(**sizes, frozen_patches=frozen) for frozen in (False, True)]
    for tower in towers:
        tower(tf.zeros([1, 8, 8, 3], tf.uint8))
    paths = [{v.path.split("/", 1)[1] for v in tower.trainable_variables} for tower in towers]
    assert paths[0] - paths[1] == {"conv1/kernel"}
    assert len(towers[0].weights) == len(towers[1].weights)
