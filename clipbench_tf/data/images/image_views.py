"""Image views for contrastive pre-training (paper, section 4.1), and the view for evaluation."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from clipbench_tf.counter_random import fraction, random_words
from clipbench_tf.data.images import color_ops, cropping
from clipbench_tf.data.images.decoding import decode, decode_smaller, held, stated_shape
from clipbench_tf.data.images.orientation import FLIPS

_ORDERS = list(itertools.permutations(range(4)))
_SALT = 5  # and 6; other files that draw from an example's seed use other ones


@dataclasses.dataclass(frozen=True)
class View:
    """How one view of a picture is drawn: random crop, jitter, grey, blur, flip, in this order.

    The defaults are the paper's section 4.1, MoCo v2's augmentation. CLIP's light view in the
    released code (STANDARD_SLIP) has `scale` (0.5, 1) and all probabilities 0.

    Args:
        scale: least and greatest share of the area that a crop keeps.
        ratio: least and greatest width / height of a crop.
        jitter: strength s of brightness, contrast and saturation, whose factors lie in
            [1 - s, 1 + s], and of hue, which turns by up to that share of the circle.
        jitter_probability: probability of all four together, in random order.
        grayscale_probability: probability of grey.
        blur_sigma: least and greatest standard deviation, in pixels of the view.
        blur_probability: probability of a blur.
        flip_probability: probability of a flip from left to right.
    """

    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_probability: float = 0.8
    grayscale_probability: float = 0.2
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_probability: float = 0.5
    flip_probability: float = 0.5

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            ValueError: for a value out of range, with the range.
        """
        ordered = "0 < least <= greatest"
        rules = {
            "scale": (0 < self.scale[0] <= self.scale[1] <= 1, f"{ordered} <= 1"),
            "ratio": (0 < self.ratio[0] <= self.ratio[1], ordered),
            "blur_sigma": (0 < self.blur_sigma[0] <= self.blur_sigma[1], ordered),
            "jitter": (
                len(self.jitter) == 4 and all(0 <= s <= 1 for s in self.jitter),
                "four strengths in [0, 1]",
            ),
        }
        for name in ("jitter", "grayscale", "blur", "flip"):
            field = f"{name}_probability"
            rules[field] = (0 <= getattr(self, field) <= 1, "a number in [0, 1]")
        for field, (sound, rule) in rules.items():
            if not sound:
                raise ValueError(f"View.{field} is {getattr(self, field)}; it must be {rule}.")


class Colors(NamedTuple):
    """The operations drawn for N crops."""

    jittered: tf.Tensor  # bool [N]
    order: tf.Tensor  # int32 [N, 4], a permutation
    factors: tf.Tensor  # float32 [N, 4]
    grey: tf.Tensor  # bool [N]
    blurred: tf.Tensor  # bool [N]
    sigma: tf.Tensor  # float32 [N], pixels
    flipped: tf.Tensor  # bool [N]


class ImageViews:
    """Draws V views of every picture, in two steps: `crop` for one, `color` for a batch.

    Between the two a view is held as columns (see `cropping.resized_columns`). All random
    choices come from the example's own seed. The values stay within 0..255 and are rounded to
    uint8 once, at the end; the towers normalise.

    Args:
        size: width and height of a view in pixels.
        views: a policy for each view.
        compiled: run the colour operations through XLA, 3 to 6 times as fast on a CPU.
    """

    def __init__(
        self, *, size: int, views: Sequence[View] = (View(), View()), compiled: bool = True
    ) -> None:
        self.size, self.views, self.compiled = size, tuple(views), compiled
        self.radius = max(math.ceil(3.0 * view.blur_sigma[1]) for view in self.views)
        if size <= self.radius:
            raise ValueError(
                f"size {size} is too small for blur_sigma: the kernel reaches {self.radius} pixels."
            )

    @tf.autograph.experimental.do_not_convert
    def crop(self, encoded: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """One encoded picture and its seed int32 [2] -> columns uint8 [V, size, 3, size].

        A JPEG of whose crops all are at least twice as large as a view is decoded at a half of its
        size, or at a quarter or an eighth.

        Errors: the op raises InvalidArgumentError where the bytes cannot be decoded.
        """
        stated = stated_shape(encoded)
        return tf.cond(
            tf.reduce_min(stated) >= 2 * self.size,
            lambda: self._crop_large(encoded, stated, seed),
            lambda: self._crop(decode(encoded), seed),
        )

    def _crop(self, picture: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self._columns(picture, self._boxes(tf.shape(picture)[:2], seed), 1)

    def _crop_large(self, encoded: tf.Tensor, stated: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Of a JPEG, decoded no larger than the crops need it."""
        orientation = held(encoded)
        shape = tf.where(orientation >= 5, stated[::-1], stated)
        boxes = self._boxes(shape, seed)
        halvings = cropping.halvings(boxes, self.size)
        # The last pixel of a smaller picture may be a part of one; where it is turned, the first.
        flipped = tf.cast(tf.gather(FLIPS, orientation)[:2], tf.int32)
        before = flipped * (-shape % 2**halvings)
        boxes += tf.concat([before, [0, 0]], axis=0)
        picture = decode_smaller(encoded, halvings, orientation)
        return self._columns(picture, boxes, 2**halvings)

    def _boxes(self, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A box for each view, in pixels of a picture of `shape`."""
        counters = tf.reshape(tf.range(len(self.views) * cropping.NUMBERS), [-1, cropping.NUMBERS])
        return cropping.random_boxes(
            shape,
            fraction(random_words(seed, counters, salt=_SALT)[0]),
            tf.constant([view.scale for view in self.views]),
            tf.constant([view.ratio for view in self.views]),
        )

    def _columns(
        self, picture: tf.Tensor, boxes: tf.Tensor, reduction: tf.Tensor | int
    ) -> tf.Tensor:
        return tf.stack(
            [
                cropping.resized_columns(picture, box, self.size, reduction)
                for box in tf.unstack(boxes)
            ]
        )

    @tf.autograph.experimental.do_not_convert
    def color(self, columns: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Columns uint8 [B, V, size, 3, size] and the seeds int32 [B, 2] of the pictures -> views.

        Returns: uint8 [B, V, size, size, 3].
        """
        shape = [len(self.views), self.size, self.size, 3]
        crops = tf.reshape(columns, [-1, self.size, 3, self.size])
        images = (_compiled if self.compiled else draw)(crops, self._colors(seeds), self.radius)
        return tf.reshape(images, [-1, *shape])

    def _colors(self, seeds: tf.Tensor) -> Colors:
        """Draws the operations for the B * V views of B pictures, picture by picture."""
        counters = tf.reshape(tf.range(len(self.views) * 10), [-1, 10])
        u = fraction(random_words(seeds[:, None, None], counters, salt=_SALT + 1)[0])  # [B, V, 10]

        def policy(name: str) -> tf.Tensor:
            return tf.constant([getattr(view, name) for view in self.views])  # [V, ...]

        sigma = policy("blur_sigma")
        centre = tf.constant([1.0, 1.0, 1.0, 0.0])
        colors = Colors(
            jittered=u[..., 0] < policy("jitter_probability"),
            order=tf.gather(_ORDERS, tf.cast(u[..., 1] * len(_ORDERS), tf.int32)),
            factors=centre + (2.0 * u[..., 2:6] - 1.0) * policy("jitter"),
            grey=u[..., 6] < policy("grayscale_probability"),
            blurred=u[..., 7] < policy("blur_probability"),
            sigma=sigma[:, 0] + u[..., 8] * (sigma[:, 1] - sigma[:, 0]),
            flipped=u[..., 9] < policy("flip_probability"),
        )
        return Colors(*(tf.reshape(t, [-1, *t.shape[2:]]) for t in colors))


def draw(crops: tf.Tensor, colors: Colors, radius: int) -> tf.Tensor:
    """Colours N crops uint8 [N, S, 3, S] (columns) and flips them: images uint8 [N, S, S, 3]."""

    def one(arguments: tuple[tf.Tensor, Colors]) -> tf.Tensor:
        crop, do = arguments
        size = crop.shape[0]
        # XLA spreads a loop over pixels over all threads, whose synchronisation takes longer than
        # the loop, but not one inside a conditional. This one is always true.
        return tf.cond(
            do.sigma > 0.0,
            lambda: _draw_one(crop, do, radius),
            lambda: tf.zeros([size, size, 3], tf.uint8),
        )

    # One crop at a time: it stays in the CPU cache, and only operations drawn for it run.
    return tf.map_fn(one, (crops, colors), fn_output_signature=tf.uint8)


def _draw_one(crop: tf.Tensor, do: Colors, radius: int) -> tf.Tensor:
    """One crop uint8 [S, 3, S] (columns) -> image uint8 [S, S, 3]; `do` has no axis N."""
    x = tf.transpose(tf.cast(crop, tf.float32), [1, 0, 2])
    x = tf.cond(do.jittered, lambda: color_ops.jitter(x, do.order, do.factors), lambda: x)
    x = tf.cond(do.grey, lambda: tf.broadcast_to(color_ops.grey(x), x.shape), lambda: x)
    x = tf.cond(do.blurred, lambda: color_ops.blur(x, do.sigma, radius), lambda: x)
    x = tf.cond(do.flipped, lambda: tf.reverse(x, [1]), lambda: x)
    return tf.transpose(tf.cast(x + 0.5, tf.uint8), [2, 1, 0])


_compiled = tf.function(draw, jit_compile=True)


def evaluation_view(
    encoded: tf.Tensor, size: int, resize: float = 256 / 224, interpolation: str = "bilinear"
) -> tf.Tensor:
    """The view for evaluation: one encoded picture -> uint8 [size, size, 3].

    The shorter side is resized to `resize * size` pixels and the centre cropped: ONECROP of the
    released code. OpenAI's CLIP has a `resize` of 1 and "bicubic".

    Errors: the op raises InvalidArgumentError where the bytes cannot be decoded.
    """
    return cropping.central(decode(encoded), size, round(resize * size), interpolation)
