"""Signal 4: nearest-neighbour supervision with a queue of captions (DeCLIP, Li et al. 2021)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Features, unit
from clipbench_tf.objectives.multi_view import mean_over_pairs
from clipbench_tf.objectives.objective import Objective, view


class NearestNeighbor(Objective):
    """L_NNS of equations 6 and 7: pictures against the nearest neighbours of their captions.

    Each caption is replaced by its nearest neighbour among the captions of past steps, and
    equation 2 is averaged over all pairs of an image view and a neighbour. The neighbours carry
    no gradient. The queue is searched before the step's own captions are enqueued; it is the
    same on all replicas and part of the checkpoint.

    Deviates: the released code scores image to text only (`symmetric=False`), keeps a queue of
    each GPU's own captions that is lost on resume, and drops captions where the queue wraps.

    Args:
        weight: gamma of equations 6 and 7.
        size: captions that the queue holds; it starts with random unit vectors.
        image_views: views of the picture that are contrasted.
        text_views: views of the caption whose neighbours they are contrasted with.
        enqueued_views: views of the caption that are enqueued, in this order.
        symmetric: whether to use equation 2; otherwise equation 1, image to text only.
        seed: of the queue's initial vectors.
    """

    def __init__(
        self,
        *,
        weight: float = 0.2,
        size: int = 65536,
        image_views: Sequence[int] = (0, 1),
        text_views: Sequence[int] = (0, 1),
        enqueued_views: Sequence[int] = (1, 0),
        symmetric: bool = True,
        seed: int = 0,
        name: str = "nearest_neighbor",
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.size, self.symmetric, self.seed = size, symmetric, seed
        self.image_views, self.text_views = tuple(image_views), tuple(text_views)
        self.enqueued_views = tuple(enqueued_views)

    def build(self, features_shape: Features) -> None:
        width = view(features_shape.texts, self.text_views[0], "text", self.name).embedding[-1]
        self.queue = self.add_weight(
            (self.size, width), self._random_directions, trainable=False, name="queue"
        )
        self.pointer = self.add_weight((), "zeros", dtype="int32", trainable=False, name="pointer")

    def _random_directions(self, shape: tuple[int, int], dtype: str) -> tf.Tensor:
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        return tf.cast(unit(normal(shape, dtype="float32")), dtype)

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        images = {
            i: unit(view(features.images, i, "image", self.name).embedding)
            for i in self.image_views
        }
        texts = {
            t: tf.stop_gradient(unit(view(features.texts, t, "text", self.name).embedding))
            for t in sorted({*self.text_views, *self.enqueued_views})
        }
        neighbors = {t: self.nearest(texts[t]) for t in self.text_views}
        if training:
            self.enqueue(tf.concat([replicas.gather(texts[t]) for t in self.enqueued_views], 0))
        pairs = [(i, t) for i in self.image_views for t in self.text_views]
        return mean_over_pairs(images, neighbors, pairs, features.scale, self.symmetric)

    def nearest(self, texts: tf.Tensor) -> tf.Tensor:
        """[B, E]: the queue's entry with the highest cosine to each of `texts` [B, E]."""
        queue = tf.convert_to_tensor(self.queue)
        return tf.gather(queue, tf.argmax(tf.matmul(texts, queue, transpose_b=True), axis=1))

    def enqueue(self, texts: tf.Tensor) -> None:
        """Replaces the N oldest entries by `texts` [N, E]; no entry if any text is not finite.

        Raises:
            tf.errors.InvalidArgumentError: if N is above the queue's size.
        """
        count = tf.shape(texts)[0]
        tf.debugging.assert_less_equal(
            count,
            self.size,
            f"A step has more captions than the queue of objective {self.name} holds; make its "
            f"size larger or the global batch smaller.",
        )
        slots = (self.pointer.value + tf.range(count)) % self.size
        finite = tf.reduce_all(tf.math.is_finite(texts))
        # In this form, not with fewer rows, XLA knows all shapes.
        texts = tf.where(finite, texts, tf.gather(tf.convert_to_tensor(self.queue), slots))
        # The captions are those of all replicas, so every replica writes the same to its own copy.
        self.queue.value.scatter_update(tf.IndexedSlices(texts, slots))
        self.pointer.assign((self.pointer.value + tf.where(finite, count, 0)) % self.size)
