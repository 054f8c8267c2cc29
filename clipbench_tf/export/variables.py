"""The weights of an export, by the names that they have in its method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from clipbench_tf.export.card import ExportError


def read(folder: Path, card: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Every weight that the export in `folder` keeps, float32 or an integer, by its path.

    Args:
        folder: of a SavedModel.
        card: its model card.

    Raises:
        ExportError: for an export of version 0.3.0 or before, which did not keep these names, or
            a damaged one.
    """
    if "variables" not in card:
        raise ExportError(
            f"The export in {str(folder)!r} is of an earlier version, which did not keep the names "
            f"of its weights; give the folder of its run, or start the run again to export it anew."
        )
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        found = {
            path: reader.get_tensor(f"weights/{number}/.ATTRIBUTES/VARIABLE_VALUE")
            for number, path in enumerate(card["variables"])
            if path
        }
    except (tf.errors.OpError, ValueError, IndexError) as error:  # IndexError: a file is too short
        reason = " ".join(str(error).strip().splitlines()[:1])
        raise ExportError(
            f"The weights of the export in {str(folder)!r} cannot be read ({reason}); export the "
            f"model again."
        ) from error
    half = (tf.bfloat16.as_numpy_dtype, np.float16)
    return {p: v.astype(np.float32) if v.dtype.type in half else v for p, v in found.items()}
