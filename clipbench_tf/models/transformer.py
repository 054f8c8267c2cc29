"""The pre-norm transformer that both towers share (CLIP, Radford et al. 2021)."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from clipbench_tf.models.layers.dense import Dense
from clipbench_tf.models.layers.layer_norm import LayerNorm
from clipbench_tf.models.layers.packing import Packing


@tf.custom_gradient
def quick_gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """x * sigmoid(1.702 x), CLIP's approximation of GELU, of any shape.

    Value and gradient are one compiled pass each, in float32, that store only `x`.
    """
    return _quick_gelu(x), lambda upstream: _quick_gelu_gradient(x, upstream)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _quick_gelu(x: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * tf.sigmoid(1.702 * wide), x.dtype)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _quick_gelu_gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    gate = tf.sigmoid(1.702 * wide)
    slope = gate + 1.702 * wide * gate * (1 - gate)
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


def gelu(x: tf.Tensor) -> tf.Tensor:
    """x * Phi(x), of any shape, exact: Phi is the normal distribution function."""
    return tf.nn.gelu(x)


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {"quick_gelu": quick_gelu, "gelu": gelu}


def normal(stddev: float) -> keras.initializers.Initializer:
    """Gaussian initialiser with mean 0."""
    return keras.initializers.RandomNormal(stddev=stddev)


def torch_uniform(fan_in: int) -> keras.initializers.Initializer:
    """Uniform in +-1/sqrt(fan_in): PyTorch's default for linear and convolution layers."""
    bound = fan_in**-0.5
    return keras.initializers.RandomUniform(-bound, bound)


def layer_norm(name: str) -> LayerNorm:
    """Layer norm with CLIP's epsilon of 1e-5."""
    return LayerNorm(epsilon=1e-5, name=name)


class Attention(keras.layers.Layer):
    """Multi-head self-attention with one product for queries, keys and values.

    Call shape: [B, L, D] -> [B, L, D]. With `causal`, position i sees positions <= i only; rows can
    then come without their padding, [N, D] -> [N, D].
    """

    def __init__(self, *, width: int, heads: int, depth: int, causal: bool, name: str) -> None:
        super().__init__(name=name)
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}.")
        self.width, self.heads, self.causal = width, heads, causal
        self.in_proj = Dense(3 * width, kernel_initializer=normal(width**-0.5), name="in_proj")
        self.out_proj = Dense(
            width, kernel_initializer=normal((2 * depth * width) ** -0.5), name="out_proj"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.in_proj.build(input_shape)
        self.out_proj.build(input_shape)

    def call(self, x: tf.Tensor, packing: Packing | None = None) -> tf.Tensor:
        qkv = self.in_proj(x)
        if packing is None:
            return self.out_proj(self._attended(qkv, tf.shape(x)[1]))
        out = self._attended(packing.unpack(qkv), packing.length)
        return self.out_proj(packing.pack(tf.reshape(out, [-1, self.width])))

    def _attended(self, qkv: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """Queries, keys and values, B * `length` rows of 3 D -> the joined heads, [B, L, D]."""
        head = self.width // self.heads
        parts = tf.reshape(qkv, [-1, length, 3, self.heads, head])
        q, k, v = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        logits = tf.cast(tf.matmul(q * head**-0.5, k, transpose_b=True), tf.float32)
        if self.causal:
            logits += tf.linalg.band_part(tf.fill([length, length], -1e9), 0, -1) * (
                1.0 - tf.eye(length)
            )
        out = tf.matmul(tf.cast(tf.nn.softmax(logits), v.dtype), v)
        return tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [-1, length, self.width])


class Block(keras.layers.Layer):
    """x + attention(norm(x)), then x + mlp(norm(x)). Call shape: that of `Attention`.

    Without `training`, each activation is fused with the product before it.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        depth: int,
        causal: bool,
        name: str,
        activation: str = "quick_gelu",
    ) -> None:
        super().__init__(name=name)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is none of {', '.join(ACTIVATIONS)}.")
        self.quick = activation == "quick_gelu"
        self.ln_1, self.ln_2 = layer_norm("ln_1"), layer_norm("ln_2")
        self.attn = Attention(width=width, heads=heads, depth=depth, causal=causal, name="attn")
        self.c_fc = Dense(
            4 * width,
            activation=ACTIVATIONS[activation],
            kernel_initializer=normal((2 * width) ** -0.5),
            bias_initializer=torch_uniform(width),
            name="c_fc",
        )
        self.c_proj = Dense(
            width,
            kernel_initializer=normal((2 * depth * width) ** -0.5),
            bias_initializer=torch_uniform(4 * width),
            name="c_proj",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for layer in (self.ln_1, self.attn, self.ln_2, self.c_fc):
            layer.build(input_shape)
        self.c_proj.build((*input_shape[:-1], self.c_fc.units))

    def call(
        self, x: tf.Tensor, training: bool = False, packing: Packing | None = None
    ) -> tf.Tensor:
        x += self.attn(self.ln_1(x), packing=packing)
        y = self.ln_2(x)
        if training or not self.quick:  # TensorFlow fuses exact GELU without help
            return x + self.c_proj(self.c_fc(y))
        return x + self._fused_mlp(y)

    def _fused_mlp(self, x: tf.Tensor) -> tf.Tensor:
        """c_proj(c_fc(x)), by quick_gelu(z) = silu(1.702 z) / 1.702.

        TensorFlow fuses product, bias and silu into one kernel if nothing else reads their results,
        as a gradient would. Rows are scaled, not weights, which are more in small batches.
        """
        rows = tf.reshape(x, [-1, x.shape[-1]])
        hidden = _scaled(1.702 * rows, self.c_fc)
        out = _scaled(hidden * tf.sigmoid(hidden), self.c_proj) / 1.702
        return tf.reshape(out, tf.shape(x))


def _scaled(x: tf.Tensor, layer: Dense) -> tf.Tensor:
    """[N, C] -> [N, D]: 1.702 layer(x / 1.702), without the activation of `layer`."""
    return tf.nn.bias_add(tf.matmul(x, layer.kernel.value), 1.702 * layer.bias.value)


class Transformer(keras.layers.Layer):
    """`depth` blocks in sequence. Call shape: that of `Attention`.

    With `recompute`, training keeps only the input of each block and computes the rest again for
    the gradient (Chen et al. 2016): the same numbers in less memory, for a third more operations.

    `activation` is "quick_gelu", as OpenAI's CLIP has it, or "gelu", as most later weights.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        depth: int,
        causal: bool,
        recompute: bool = False,
        activation: str = "quick_gelu",
        name: str = "transformer",
    ) -> None:
        super().__init__(name=name)
        self.recompute = recompute
        self.blocks = [
            Block(
                width=width,
                heads=heads,
                depth=depth,
                causal=causal,
                activation=activation,
                name=f"block_{i}",
            )
            for i in range(depth)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Keras would otherwise build each block by tracing its call, several times.
        for block in self.blocks:
            block.build(input_shape)

    def call(
        self, x: tf.Tensor, training: bool = False, packing: Packing | None = None
    ) -> tf.Tensor:
        for block in self.blocks:
            run = functools.partial(block.__call__, training=training, packing=packing)
            x = tf.recompute_grad(run)(x) if self.recompute else run(x)
        return x
