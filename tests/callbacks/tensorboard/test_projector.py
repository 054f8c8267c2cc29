import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig, projector_plugin

from clipbench_tf.callbacks.tensorboard.projector import Points, sprite_sheet, write_projector


def test_files_as_the_plugin_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    names = Points("class_names", rng.normal(size=(3, 4)), ["red\tapple", " ", "Åland\nflag"])
    images = rng.integers(0, 255, (5, 16, 16, 3), np.uint8)
    pictures = Points("pictures", rng.normal(size=(5, 4)), list("abcde"), images)
    folder = tmp_path / "tensorboard"
    write_projector(folder, [names, pictures])

    config = ProjectorConfig()
    text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    assert [e.tensor_name for e in config.embeddings] == ["class_names", "pictures"]
    for described, points in zip(config.embeddings, (names, pictures), strict=True):
        read = projector_plugin._read_tensor_tsv_file(str(folder / described.tensor_path))
        np.testing.assert_allclose(read, points.embeddings, rtol=1e-4)
    labels = (folder / config.embeddings[0].metadata_path).read_text(encoding="utf-8")
    assert labels == "red apple\n-\nÅland flag\n"
    sprite = config.embeddings[1].sprite
    assert list(sprite.single_image_dim) == [16, 16]
    sheet = np.asarray(Image.open(folder / sprite.image_path))
    np.testing.assert_array_equal(sheet[16:32, :16], images[3])  # three in a row
    assert not config.embeddings[0].HasField("sprite")


def test_thumbnails_shrink_to_the_sheet_and_to_a_readable_size():
    assert sprite_sheet(np.zeros((4, 224, 224, 3), np.uint8))[1] == 64
    sheet, side = sprite_sheet(np.zeros((10, 32, 32, 3), np.uint8), limit=100)
    assert side == 25 and sheet.shape == (100, 100, 3)


def test_more_pictures_than_a_sheet_can_hold():
    with pytest.raises(ValueError, match="10 pictures do not fit"):
        sprite_sheet(np.zeros((10, 8, 8, 3), np.uint8), limit=3)


def test_parts_of_different_length(tmp_path):
    with pytest.raises(ValueError, match="'pictures' differ in length"):
        write_projector(tmp_path, [Points("pictures", np.zeros((2, 4)), ["only one"])])
