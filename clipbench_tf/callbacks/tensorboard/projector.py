"""TensorBoard's embedding projector: points in the shared space, with names and pictures."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tensorboard.plugins import projector

_SPRITE_LIMIT = 8192  # pixels, each side of a sprite sheet: what browsers take
_THUMBNAIL_LIMIT = 64  # pixels; larger ones would hide each other


class Points(NamedTuple):
    """One tensor to choose in the projector."""

    name: str  # also the stem of its files
    embeddings: np.ndarray  # [N, E]
    labels: Sequence[str]  # N of them
    images: np.ndarray | None = None  # uint8 [N, H, H, 3], drawn at the points


def write_projector(folder: Path, tensors: Sequence[Points]) -> None:
    """Writes `tensors` and what describes them into `folder`, a TensorBoard folder or part of one.

    Raises:
        ValueError: if the parts of one tensor differ in length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = projector.ProjectorConfig()
    for points in tensors:
        _check(points)
        described = config.embeddings.add()
        described.tensor_name = points.name
        described.tensor_path = f"{points.name}.tsv"
        described.metadata_path = f"{points.name}_labels.tsv"
        np.savetxt(folder / described.tensor_path, points.embeddings, fmt="%.5g", delimiter="\t")
        # One column has no heading; a tab or an empty line would shift the others.
        lines = "".join(f"{' '.join(label.split()) or '-'}\n" for label in points.labels)
        (folder / described.metadata_path).write_text(lines, encoding="utf-8")
        if points.images is not None:
            sheet, side = sprite_sheet(points.images)
            described.sprite.image_path = f"{points.name}_sprites.png"
            described.sprite.single_image_dim.extend([side, side])
            Image.fromarray(sheet).save(folder / described.sprite.image_path)
    projector.visualize_embeddings(str(folder), config)


def sprite_sheet(images: np.ndarray, limit: int = _SPRITE_LIMIT) -> tuple[np.ndarray, int]:
    """Lays pictures out row by row in the smallest square grid that holds them.

    Args:
        images: uint8 [N, H, H, 3].
        limit: most pixels on a side of the sheet; thumbnails shrink to fit.

    Returns:
        The sheet, uint8 [S, S, 3], and the side of a thumbnail in pixels.

    Raises:
        ValueError: if there are more pictures than pixels, or none.
    """
    count, height = images.shape[:2]
    columns = math.ceil(math.sqrt(count))
    if not 0 < columns <= limit:
        raise ValueError(f"{count} pictures do not fit on a sprite sheet of {limit} pixels.")
    side = min(height, _THUMBNAIL_LIMIT, limit // columns)
    sheet = np.full((columns, side, columns, side, 3), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        thumbnail = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
        sheet[row, :, column] = np.asarray(thumbnail)
    return sheet.reshape(columns * side, columns * side, 3), side


def _check(points: Points) -> None:
    lengths = {"embeddings": len(points.embeddings), "labels": len(points.labels)}
    if points.images is not None:
        lengths["images"] = len(points.images)
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The parts of {points.name!r} differ in length: {lengths}.")
