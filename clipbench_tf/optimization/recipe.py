"""The training recipe of section 4.1: AdamW, warm-up, cosine decay."""

import dataclasses
from collections.abc import Sequence

import keras

from clipbench_tf.features import Batch
from clipbench_tf.models import depth
from clipbench_tf.optimization.fused_adamw import FusedAdamW
from clipbench_tf.optimization.schedule import WarmupCosine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long to train and how to step; the defaults are the paper's, for every method.

    Betas and epsilon, which the paper does not give, are those of its released code. Deviates:
    that code halves the peak learning rate and uses weight decay 0.5 for SLIP and FILIP, warms
    up for 2,500 steps, and decays the bias of the attention's input projection.

    Attributes:
        epochs: passes over the training data.
        warmup_epochs: of `epochs`, those in which the learning rate rises.
        start_learning_rate: learning rate of the first step.
        peak_learning_rate: learning rate at the end of the warm-up.
        weight_decay: AdamW's (Loshchilov and Hutter 2019), for kernels and embeddings only.
        beta_1, beta_2: decay rates of AdamW's two moments.
        epsilon: added to the root of AdamW's second moment.
        clip_norm: the largest norm of the gradient of the global batch, all variables together;
            neither the paper nor its code clips.
        layer_decay: factor on the learning rate from one layer of a tower to the one before it, to
            fine-tune (Clark et al. 2020; as BEiT counts, Bao et al. 2021): of n blocks, the last
            learns at `layer_decay` times the schedule's rate, the first at layer_decay^n,
            embeddings or stem at layer_decay^(n + 1); all else at the full rate.

    Raises:
        ValueError: for a `layer_decay` out of range.
    """

    epochs: float = 32.0
    warmup_epochs: float = 1.0
    start_learning_rate: float = 1e-4
    peak_learning_rate: float = 1e-3
    weight_decay: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-8
    clip_norm: float | None = None
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1:
            raise ValueError(
                f"recipe.Recipe.layer_decay is {self.layer_decay}; it must be above 0, and at most "
                f"1, which gives all layers one learning rate."
            )

    def total_steps(self, steps_per_epoch: float) -> int:
        """Number of optimizer steps of the whole run, at least 1."""
        return max(1, round(self.epochs * steps_per_epoch))

    def schedule(self, steps_per_epoch: float) -> WarmupCosine:
        """The learning rate by step.

        Raises:
            ValueError: if the warm-up is not shorter than the run.
        """
        return WarmupCosine(
            peak=self.peak_learning_rate,
            start=self.start_learning_rate,
            warmup_steps=round(self.warmup_epochs * steps_per_epoch),
            total_steps=self.total_steps(steps_per_epoch),
        )

    def layer_rates(self, towers: Sequence[keras.layers.Layer]) -> dict[str, float]:
        """The factor of `layer_decay` for each variable of `towers`, by path.

        Raises:
            ValueError: if the order of a tower's layers is not known.
        """
        rates: dict[str, float] = {}
        if self.layer_decay == 1:
            return rates
        for tower in towers:
            last = len(depth.blocks(tower)) + 1
            for v in tower.trainable_variables:
                rates[v.path] = self.layer_decay ** (last - depth.depth(tower, v))
        return rates

    def optimizer(
        self,
        variables: Sequence[keras.Variable],
        steps_per_epoch: float,
        towers: Sequence[keras.layers.Layer] = (),
    ) -> keras.optimizers.Optimizer:
        """AdamW over `variables`, built, with its schedule.

        Args:
            variables: all that is trained.
            steps_per_epoch: batches in a pass over the data.
            towers: those that `layer_decay` is for.

        Raises:
            ValueError: if the warm-up is not shorter than the run, or the order of a tower's layers
                is not known.
        """
        optimizer = FusedAdamW(
            learning_rate=self.schedule(steps_per_epoch),
            weight_decay=self.weight_decay,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            global_clipnorm=self.clip_norm,
            name="adamw",  # part of the names in a checkpoint; Keras would number them
        )
        optimizer.exclude_from_weight_decay([v for v in variables if not decayed(v)])
        optimizer.scale_learning_rates(self.layer_rates(towers))
        optimizer.build(variables)
        return optimizer

    def compile(self, method: keras.Model, example: Batch, steps_per_epoch: float) -> None:
        """Builds `method` on `example`, whose values do not matter, and sets this optimizer.

        Raises:
            ValueError: if the method cannot be built, or the warm-up is not shorter than the run.
        """
        method.build(example)
        towers = list(method.towers.values())
        method.compile(self.optimizer(method.trainable_variables, steps_per_epoch, towers))


def decayed(variable: keras.Variable) -> bool:
    """Whether weight decay applies: kernels and embeddings, not biases, norms, temperatures."""
    name = variable.name
    return not ("bias" in name or name in ("gamma", "beta") or "logit_scale" in name)
