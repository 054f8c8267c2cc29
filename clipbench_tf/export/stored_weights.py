"""The weights as an export stores them: as they are, or rounded to half their size."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf.export.card import ExportError
from clipbench_tf.method import Method

PRECISIONS = ("float32", "bfloat16", "float16")


class StoredWeights:
    """Reads the weights of `method`, whatever precision the export stores them in, as float32.

    Matrices and filters are rounded. Vectors and single numbers, of which there are few, stay
    float32: a variance of a batch norm may be out of the range of float16.

    Args:
        method: built.
        precision: one of `PRECISIONS`.

    Raises:
        ExportError: for another precision, or a weight that is out of its range.
    """

    def __init__(self, method: Method, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ExportError(
                f"Weights cannot be stored as {precision!r}; there are {', '.join(PRECISIONS)}."
            )
        self.precision, self._method = precision, method
        self._rounded: dict[int, tf.Variable] = {}
        if precision == "float32":
            return
        for variable in method.variables:
            if variable.dtype != "float32" or len(variable.shape) < 2:
                continue
            value = tf.cast(variable.value, precision)
            if not np.isfinite(value.numpy().astype(np.float32)).all():
                raise ExportError(
                    f"{variable.path} has values that {precision} cannot hold; store bfloat16."
                )
            self._rounded[id(variable)] = tf.Variable(value, trainable=False)

    @contextlib.contextmanager
    def read(self) -> Iterator[None]:
        """A context in which graphs that are traced read the stored weights."""
        with _Widened(self._rounded) if self._rounded else contextlib.nullcontext():
            yield

    def paths(self) -> dict[object, str]:
        """The path below the method of each variable that graphs may read, by its reference."""
        found = {}
        for variable in self._method.variables:
            rounded = self._rounded.get(id(variable))
            stored = variable.value if rounded is None else rounded
            for copy in getattr(stored, "values", [stored]):  # one for each replica
                found[copy.ref()] = variable.path.removeprefix(f"{self._method.name}/")
        return found


class _Widened(keras.StatelessScope):
    """Keras's variables have the values of `rounded`, by their `id`, as float32."""

    def __init__(self, rounded: dict[int, tf.Variable]) -> None:
        super().__init__()
        self._stored = rounded

    def get_current_value(self, variable: keras.Variable) -> tf.Tensor | None:
        """The value that `variable` has here; None leaves its own."""
        stored = self._stored.get(id(variable))
        return None if stored is None else tf.cast(stored, tf.float32)
