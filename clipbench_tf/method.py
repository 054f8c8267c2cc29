"""A method: two towers, a list of objectives, one optimizer step. Read this first.

CLIP, SLIP, FILIP, DeCLIP and DeFILIP are all this class with other objectives (Figure 1).
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from clipbench_tf.distribution import replicas
from clipbench_tf.features import Batch, Features, ImageFeatures, TextFeatures, by_view
from clipbench_tf.models import depth
from clipbench_tf.models.layers.batch_norm import batch_norms
from clipbench_tf.objectives.objective import Objective
from clipbench_tf.optimization import gradient_cache
from clipbench_tf.optimization.loss_scale import LossScale


class Method(keras.Model):
    """Encode -> objectives -> weighted sum -> one optimizer step.

    Call shape: `Batch` -> `Features`.

    Args:
        image_encoder: uint8 [N, H, W, 3] -> `ImageFeatures`.
        text_encoder: int32 [N, L] -> `TextFeatures`.
        objectives: the supervision signals; their names must differ.
        temperature: initial value of the learnable temperature (paper section 4.1: 0.07).
        temperature_range: bounds kept after each step, CLIP's [1/100, 1]. Deviates: the
            released code forces log(1 / temperature) into [3, 6]; bind (0.002479, 0.049787).
        separate_views: encode the image views one by one, as the released code does, so that batch
            norms see one view at a time.
        xla: compile the towers with XLA, under any strategy; not possible with batch norms that are
            synchronised between replicas.
        chunks: number of parts in which a replica's batch is encoded, one at a time, to save
            memory; the gradient stays that of the whole batch (see `gradient_cache.py`).
        locked: by 'image' or 'text', how many last blocks of a locked tower stay free, with what
            follows them; 0 locks all of it (LiT, Zhai et al. 2021).

    Raises:
        ValueError: for objectives without or with equal names, or a value out of range.
    """

    def __init__(
        self,
        *,
        image_encoder: keras.layers.Layer,
        text_encoder: keras.layers.Layer,
        objectives: Sequence[Objective],
        temperature: float = 0.07,
        temperature_range: tuple[float, float] = (0.01, 1.0),
        chunks: int = 1,
        separate_views: bool = False,
        xla: bool = False,
        locked: Mapping[str, int] | None = None,
        name: str = "method",
    ) -> None:
        super().__init__(name=name)
        names = [objective.name for objective in objectives]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"A method needs objectives with distinct names, got {names}.")
        low, high = temperature_range
        if not 0 < low <= temperature <= high:
            raise ValueError(
                f"temperature {temperature} is outside temperature_range {temperature_range}."
            )
        if chunks < 1:
            raise ValueError(f"chunks is {chunks}; it must be at least 1.")
        self.chunks, self.separate_views, self.xla = chunks, separate_views, xla
        # Whether training leaves out the padding of captions; XLA would not know their lengths.
        self.packs_texts = (
            "packed" in inspect.signature(text_encoder.call).parameters
            and not xla
            and not any(objective.count_padding for objective in objectives)
        )
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.objectives = list(objectives)
        self.locked = dict(locked or {})
        depth.lock(self.towers, self.locked)
        self._check_towers()
        float16 = keras.config.dtype_policy().compute_dtype == "float16"
        self.loss_scale = LossScale(name="loss_scale") if float16 else None
        # 1 on any worker ends training on all workers after the same step.
        self.stop = tf.Variable(0.0, trainable=False, name="stop")
        self._start = math.log(1 / temperature)
        self._bounds = (math.log(1 / high), math.log(1 / low))

    def build(self, batch: Batch) -> None:
        """Creates all variables from one example `batch` (its values do not matter).

        Raises:
            ValueError: if the towers do not fit each other or the captions, or one of them allows
                no `xla` or `chunks`.
        """
        self.logit_scale = self.add_weight(
            (), keras.initializers.Constant(self._start), dtype="float32", name="logit_scale"
        )
        # How many records of its endless stream each worker has read (see data/pipeline.py).
        self.position = self.add_weight(
            (replicas.workers(),), "zeros", dtype="int64", trainable=False, name="position"
        )
        self.skipped_steps = self.add_weight(
            (), "zeros", dtype="float32", trainable=False, name="skipped_steps"
        )
        if self.loss_scale is not None:
            self.loss_scale.build()
        self._check_captions(batch["ids"])
        features = self.call(batch)
        self._check_widths(features)
        depth.lock(self.towers, self.locked)  # again, for what towers make in `build`
        self._check_towers()
        for objective in self.objectives:
            objective(features)

    @property
    def towers(self) -> dict[str, keras.layers.Layer]:
        """By what they encode."""
        return {"image": self.image_encoder, "text": self.text_encoder}

    def _check_captions(self, ids: tf.Tensor) -> None:
        longest = getattr(self.text_encoder, "context_length", None)
        if longest and ids.shape[-1] and ids.shape[-1] > longest:
            raise ValueError(
                f"Captions have {ids.shape[-1]} positions, but the text tower reads {longest}; "
                f"give the tokenizer and the tower the same context_length."
            )

    def _check_widths(self, features: Features) -> None:
        image, text = (views[0].embedding.shape[-1] for views in (features.images, features.texts))
        if image != text:
            raise ValueError(
                f"The image tower makes embeddings of width {image}, the text tower of {text}; "
                f"give both the same embed_dim."
            )

    def _check_towers(self) -> None:
        """Raises ValueError where `chunks` would change the gradient, or `xla` cannot compile."""
        for tower in self.towers.values():
            trainable = [x for x in tower._flatten_layers() if x.trainable]
            norms = [x for x in batch_norms(tower) if x.trainable]
            random = [x for x in trainable if getattr(x, "seed_generator", None) is not None]
            if self.chunks > 1 and norms:
                raise ValueError(
                    f"chunks is {self.chunks}, but the batch norms of {type(tower).__name__} must "
                    f"see the whole batch; bind chunks = 1 or another tower."
                )
            if self.chunks > 1 and random:
                raise ValueError(
                    f"chunks is {self.chunks}, and every part is encoded twice, but "
                    f"{random[0].name} of {type(tower).__name__} draws other random numbers each "
                    f"time; bind chunks = 1 or a tower without dropout."
                )
            if self.xla and replicas.count() > 1 and any(x.synchronized for x in norms):
                raise ValueError(
                    "method.Method.xla = True, but XLA cannot exchange batch statistics between "
                    "replicas; bind xla = False, or synchronized = False of the image encoder."
                )

    def call(self, batch: Batch, training: bool = False) -> Features:
        return self.features(
            self.encode_images(batch["images"], training),
            self.encode_texts(batch["ids"], training),
            batch,
        )

    def features(
        self, images: tuple[ImageFeatures, ...], texts: tuple[TextFeatures, ...], batch: Batch
    ) -> Features:
        """The inputs of the objectives, from the encoded views of `batch`."""
        return Features(images, texts, self.scale(), batch.get("mlm_labels"))

    def encode_images(self, images: tf.Tensor, training: bool = False) -> tuple[ImageFeatures, ...]:
        """uint8 [B, V, H, W, 3] -> an `ImageFeatures` for each view, in one pass of the tower."""
        if self.separate_views:
            return tuple(
                self._encode(self.image_encoder, v, training) for v in tf.unstack(images, axis=1)
            )
        return by_view(lambda flat: self._encode(self.image_encoder, flat, training), images)

    def encode_texts(self, ids: tf.Tensor, training: bool = False) -> tuple[TextFeatures, ...]:
        """int32 [B, T, L] -> a `TextFeatures` for each view, in one pass of the tower."""
        more = {"packed": True} if training and self.packs_texts else {}
        return by_view(lambda flat: self._encode(self.text_encoder, flat, training, **more), ids)

    def _encode(self, tower: keras.layers.Layer, x: tf.Tensor, training: bool, **more: bool) -> Any:
        training = training and tower.trainable
        if not (self.xla and self.built):
            return tower(x, training=training, **more)
        # One function for each replica, as each has its own variables.
        return tf.function(lambda inputs: tower(inputs, training=training), jit_compile=True)(x)

    def scale(self) -> tf.Tensor:
        """Scalar float32: 1 / temperature."""
        return tf.exp(tf.convert_to_tensor(self.logit_scale))

    def gradients(
        self, batch: Batch, variables: Sequence[tf.Variable]
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor | None]]:
        """The scalars of a step and the gradient of its loss over the batch, also with `chunks`."""
        if self.chunks > 1:
            return gradient_cache.gradients(
                lambda part: (
                    self.encode_images(part["images"], training=True),
                    self.encode_texts(part["ids"], training=True),
                ),
                lambda views: self.losses(self.features(views[0], views[1], batch)),
                batch,
                variables,
                self.chunks,
            )
        # Nothing is kept, or differentiated, of what comes before the first that is trained.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            scalars, loss = self.losses(self.call(batch, training=True))
        return scalars, tape.gradient(loss, variables)

    def losses(self, features: Features) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The scalars of a training step, by name, and the scalar to differentiate."""
        losses = {}
        for objective in self.objectives:
            with replicas.sender(objective.name):
                losses[objective.name] = objective(features, training=True)
        total = tf.add_n([o.weight * losses[o.name] for o in self.objectives])
        scalars = {"loss": total, **{f"loss/{name}": loss for name, loss in losses.items()}}
        # Gradients are summed over replicas: this makes them the global batch's mean.
        return scalars, self._loss_factor() * total / replicas.count()

    def _loss_factor(self) -> tf.Tensor:
        return tf.constant(1.0) if self.loss_scale is None else self.loss_scale.factor.value

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step on this replica's batch; returns the scalars to log, equal on all replicas.

        If the loss or gradient is not finite on any replica, all of them skip the step: no weight,
        moving statistic or step count changes, and `skipped_steps` rises by 1.
        """
        variables = self.trainable_variables
        moving = [v for x in batch_norms(self) for v in (x.moving_mean, x.moving_variance)]
        statistics = [(v, v.value.read_value()) for v in moving]
        with replicas.traffic() as traffic:
            scalars, gradients = self.gradients(batch, [v.value for v in variables])
        scalars = replicas.mean({**scalars, "stop": self.stop.read_value()})
        # A variable may be unused, as the projections are in FILIP. Gradients are made dense, as a
        # word in several captions has a sparse gradient in parts, and both the norm and Keras's
        # Adam would square the parts, not their sum.
        used = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        reduced = replicas.total([tf.convert_to_tensor(g) for g, _ in used])
        if self.loss_scale is not None:
            reduced = [g / self._loss_factor() for g in reduced]
        norm = tf.linalg.global_norm(reduced)
        finite = tf.math.is_finite(norm) & tf.math.is_finite(scalars["loss"])
        temperature = 1 / self.scale()
        tf.cond(
            finite,
            lambda: self._apply_step(reduced, [v for _, v in used]),
            lambda: self._skip_step(statistics),
        )
        if self.loss_scale is not None:
            self.loss_scale.update(finite)
        positions = tf.reshape(replicas.gather(batch["position"]), [replicas.workers(), -1])
        self.position.assign(tf.reduce_max(positions, axis=1) + 1)
        return {
            **scalars,
            "temperature": temperature,
            "gradient_norm": norm,
            "skipped_steps": self.skipped_steps.value.read_value(),
            **{f"traffic/{name}": number for name, number in traffic.items()},
        }

    def _apply_step(self, gradients: list[tf.Tensor], variables: list[keras.Variable]) -> tf.Tensor:
        self.optimizer.apply(gradients, variables)
        self.logit_scale.assign(tf.clip_by_value(self.logit_scale.value, *self._bounds))
        return tf.constant(True)

    def _skip_step(self, statistics: list[tuple[keras.Variable, tf.Tensor]]) -> tf.Tensor:
        for variable, before in statistics:
            variable.assign(before)
        self.skipped_steps.assign(self.skipped_steps.value + 1.0)
        return tf.constant(False)

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer; on several replicas, one that takes summed gradients (FusedAdamW)."""
        super().compile(optimizer=optimizer, auto_scale_loss=False)

    def make_train_function(self, force: bool = False) -> None:
        """Keras's hook for the compiled step."""
        if getattr(self, "train_function", None) is None or force:
            self.train_function = replicas.distributed(
                self.train_step, tf.distribute.get_strategy()
            )
