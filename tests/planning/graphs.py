"""What TensorFlow computes and keeps, counted in the graph of a training step."""

import math
from collections.abc import Container

import tensorflow as tf
from tensorflow.python.framework import ops

from clipbench_tf.features import Batch
from clipbench_tf.method import Method

_SAME_MEMORY = {"Reshape", "Identity", "IdentityN", "ExpandDims", "Squeeze", "StopGradient"}
_SHAPE_ONLY = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "BroadcastGradientArgs"}
_NO_ACTIVATION = {"ReadVariableOp", "Const", "Placeholder", "Shape"}
PRODUCTS = {
    "MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"
}  # fmt: skip


class StepGraph:
    """The graph of loss and gradients of one step of `method` on a batch of these shapes.

    `unknown` replaces a size that is not static: the number of masked tokens in `TextMLM`.
    """

    def __init__(self, method: Method, batch: Batch, unknown: int = 0) -> None:
        self.unknown = unknown
        self.forward: set[str] = set()

        @tf.function(autograph=False)
        def step(batch: Batch) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                _, loss = method.losses(method.call(batch, training=True))
            graph = tf.compat.v1.get_default_graph()
            self.forward = {op.name for op in graph.get_operations()}
            gradients = tape.gradient(loss, [v.value for v in method.trainable_variables])
            return [g for g in gradients if g is not None]

        specs = {name: tf.TensorSpec(t.shape, t.dtype) for name, t in batch.items()}
        self.graph = step.get_concrete_function(specs).graph
        self.needed = self._reached(self.graph.outputs)

    def _reached(self, outputs: list[tf.Tensor]) -> set[str]:
        """Names of the operations that the gradients depend on; no others are run."""
        found: set[str] = set()
        waiting = [tensor.op for tensor in outputs]
        while waiting:
            op = waiting.pop()
            if op.name not in found:
                found.add(op.name)
                waiting += [tensor.op for tensor in op.inputs]
        return found

    def flops(self, kinds: Container[str] | None = PRODUCTS) -> tuple[float, float]:
        """Floating-point operations by TensorFlow's registry: forward, backward.

        `kinds` of operations are counted, or all.
        """
        totals = {True: 0.0, False: 0.0}
        for op in self.graph.get_operations():
            if op.name in self.needed and (kinds is None or op.type in kinds):
                totals[op.name in self.forward] += self._flops(op)
        return totals[True], totals[False]

    def _flops(self, op: tf.Operation) -> float:
        if op.type == "MatMul" and op.outputs[0].shape[0] == 1:
            return 0.0  # the gradient of a bias, a sum by a product with ones
        if op.type == "MatMul" and any(None in tensor.shape for tensor in op.inputs):
            across = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
            rows, columns = op.outputs[0].shape
            return 2.0 * math.prod(size or self.unknown for size in (rows, across, columns))
        if op.type == "BatchMatMulV2":  # of which the registry overlooks that it is transposed
            across = op.inputs[0].shape[-2 if op.get_attr("adj_x") else -1]
            return 2.0 * math.prod(op.outputs[0].shape) * across
        if op.type == "Einsum":  # which the registry does not know
            letters = op.get_attr("equation").decode().split("->")[0].split(",")
            sizes = {
                letter: size
                for term, tensor in zip(letters, op.inputs, strict=True)
                for letter, size in zip(term, tensor.shape, strict=True)
            }
            return 2.0 * math.prod(sizes.values())
        try:
            found = ops.get_stats_for_node_def(self.graph, op.node_def, "flops").value
        except ValueError:  # no product, of a size that is not known
            found = None
        return float(found or 0)

    def saved(self) -> dict[str, float]:
        """Bytes that the forward pass leaves for the backward pass: activations and weights.

        "weights" are copies in a lower precision, or transposed.
        """
        kept: dict[str, tf.Tensor] = {}
        for op in self.graph.get_operations():
            if op.name in self.forward or op.name not in self.needed or op.type in _SHAPE_ONLY:
                continue
            for tensor in map(_memory, op.inputs):
                if tensor.op.name in self.forward and tensor.op.type not in _NO_ACTIVATION:
                    kept[tensor.name] = tensor
        totals = {"activations": 0.0, "weights": 0.0}
        for tensor in kept.values():
            kind = "weights" if _is_copied_weight(tensor) else "activations"
            totals[kind] += self._bytes(tensor)
        return totals

    def moved(self) -> tuple[float, float]:
        """Bytes that all but the products read and write: forward, backward."""
        totals = {True: 0.0, False: 0.0}
        for op in self.graph.get_operations():
            if op.name in self.needed and op.type not in PRODUCTS | _SAME_MEMORY | _SHAPE_ONLY:
                if op.type in _NO_ACTIVATION:
                    continue
                size = sum(map(self._bytes, [*op.inputs, *op.outputs]))
                totals[op.name in self.forward] += size
        return totals[True], totals[False]

    def _bytes(self, tensor: tf.Tensor) -> float:
        if tensor.dtype in (tf.resource, tf.variant) or tensor.shape.rank is None:
            return 0.0
        return math.prod(size or self.unknown for size in tensor.shape) * tensor.dtype.size


def _memory(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor whose memory `tensor` shares."""
    while tensor.op.type in _SAME_MEMORY:
        tensor = tensor.op.inputs[0 if tensor.op.type != "IdentityN" else tensor.value_index]
    return tensor


def _is_copied_weight(tensor: tf.Tensor) -> bool:
    source = tensor
    while source.op.type in _SAME_MEMORY | {"Cast", "Transpose"}:
        source = source.op.inputs[0]
    return source.op.type == "ReadVariableOp"
