"""Pictures that look the same, by pixels made here."""

import numpy as np
from PIL import Image

from clipbench_tf.data.openclipart import duplicates


def noise(seed: int, size: int = 64) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return Image.fromarray(blocks).resize((size, size), Image.Resampling.NEAREST)


def grouped(pictures: list[Image.Image]) -> list[list[int]]:
    return duplicates.group(np.stack([duplicates.thumbnail(picture) for picture in pictures]))


def test_a_thumbnail_holds_the_mean_colours_of_the_padded_picture():
    picture = noise(0).crop((0, 0, 64, 32))
    expected = np.full((64, 64, 3), 255.0)
    expected[16:48] = np.asarray(picture)
    expected = expected.reshape(16, 4, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(duplicates.thumbnail(picture), expected.reshape(-1), atol=0.51)


def test_size_and_slight_changes_make_no_other_picture_but_one_changed_block_does():
    changed = np.asarray(noise(1)).copy()
    changed[8:12, 8:12] = 255 - changed[8:12, 8:12]
    darker = Image.fromarray((np.asarray(noise(1)) * 0.96).astype(np.uint8))
    pictures = [noise(1), noise(2), noise(1, size=160), darker, Image.fromarray(changed)]
    assert grouped(pictures) == [[0, 2, 3], [1], [4]]


def test_look_alikes_of_look_alikes_share_a_group():
    shades = [Image.new("RGB", (8, 8), (grey, grey, grey)) for grey in (240, 100, 210, 225, 101)]
    assert grouped(shades) == [[0, 2, 3], [1, 4]]


def test_groups_agree_with_a_comparison_of_every_pair():
    rows = np.random.default_rng(3).uniform(0, 40, (60, 768)).astype(np.float32)
    rows[:, 2:] = 200
    near = np.abs(rows[:, None] - rows[None]).max(-1) <= 4.0
    reach = np.linalg.matrix_power(near.astype(np.float64), 60) > 0
    expected = sorted({tuple(np.nonzero(row)[0].tolist()) for row in reach})
    assert [tuple(group) for group in duplicates.group(rows, tolerance=4.0)] == expected
    assert 5 < len(expected) < 60
