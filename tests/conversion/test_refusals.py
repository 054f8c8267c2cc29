"""Weights that cannot be converted: the error names both sides, and nothing is left behind."""

import json
import os
import pickle

import numpy as np
import pytest
import torch

from clipbench_tf.conversion import origins
from clipbench_tf.conversion.convert import convert
from clipbench_tf.conversion.names import keras_hub_names, transformers_config
from clipbench_tf.conversion.names.architecture import Architecture, ConversionError
from clipbench_tf.conversion.names.published import Published
from clipbench_tf.conversion.reading.checkpoint import CheckpointFormatError
from tests.conversion import torch_clip
from tests.conversion.torch_clip import OpenAI

SIZES = {"size": 64, "patch": 16, "width": 64, "depth": 1, "embed": 48}
TEXT = {"context_length": 20, "width": 128, "heads": 2, "layers": 2}
VISION = {"image_size": 64, "layers": 1, "width": 64, "patch_size": 16}


@pytest.fixture(scope="module")
def weights():
    return OpenAI(torch_clip.VisionTransformer(**SIZES), embed=48).state_dict()


def saved(state, path):
    torch.save(state, path)
    return path


def refused(origin, path, folder, match, config=None, error=ConversionError):
    with pytest.raises(error, match=match):
        convert(origin, path, folder / "out", classes=["a", "b"], templates=["{}"], config=config)
    assert not (folder / "out").exists()
    assert not (folder / "out.partial").exists()


def test_names_what_is_missing_and_what_is_unknown(weights, tmp_path):
    name = "visual.ln_pre.weight"
    few = saved({k: v for k, v in weights.items() if k != name}, tmp_path / "few.pt")
    refused("openai", few, tmp_path, rf"lacks {name}, which clip with VisionTransformer needs")
    more = saved(weights | {"visual.extra.weight": torch.ones(3)}, tmp_path / "more.pt")
    refused("openai", more, tmp_path, r"Nothing is known about visual\.extra\.weight")
    hole = {k: v for k, v in weights.items() if "transformer.resblocks.0." not in k}
    hole = saved(hole, tmp_path / "hole.pt")
    refused("openai", hole, tmp_path, r"There is no (visual\.)?transformer\.resblocks\.0")


def test_shape_mismatch_names_both_sides(weights, tmp_path):
    wrong = weights | {"visual.proj": torch.ones(64, 40)}
    path = saved(wrong, tmp_path / "wrong.pt")
    match = r"visual\.proj \(64, 40\) .* becomes \(64, 40\), but visual/proj/kernel .* \(64, 48\)"
    refused("openai", path, tmp_path, match)


def test_other_models(weights, tmp_path):
    resnet = saved({"conv1.weight": torch.ones(3)}, tmp_path / "resnet.pt")
    refused("openai", resnet, tmp_path, r"There is no positional_embedding among the 1 weights")
    table = weights | {"token_embedding.weight": torch.ones(32000, 128)}
    path = saved(table, tmp_path / "table.pt")
    refused("openai", path, tmp_path, "has 32000 rows; that of CLIP's vocabulary has 49408")
    plain = saved(weights, tmp_path / "plain.pt")
    refused("declip", plain, tmp_path, "no encode_text.positional_embedding")
    grid = weights | {"visual.positional_embedding": torch.ones(13, 64)}
    path = saved(grid, tmp_path / "grid.pt")
    refused("openai", path, tmp_path, "has 13 positions, which is not a square map")


def test_weights_of_two_models_in_one_file(weights, tmp_path):
    mixed = {f"module.{k}": v for k, v in weights.items()} | {"ema": torch.ones(1)}
    refused("declip", saved(mixed, tmp_path / "mixed.pt"), tmp_path, "1 of .* lack the prefix")


def test_open_clip_needs_the_right_configuration(weights, tmp_path):
    path = saved(weights, tmp_path / "model.pt")
    refused("open_clip", path, tmp_path, "do not tell whether .* GELU or QuickGELU")
    config = tmp_path / "model.json"

    def told(text=TEXT, vision=VISION, **more):
        content = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text, **more}
        config.write_text(json.dumps(content))
        return config

    refused("open_clip", path, tmp_path, "width 96, but the weights have 64",
            told(vision=VISION | {"width": 96}))  # fmt: skip
    refused("open_clip", path, tmp_path, "embed_dim 512, but the weights have 48",
            told(embed_dim=512))  # fmt: skip
    refused("open_clip", path, tmp_path, "no_ln_pre True in vision_cfg",
            told(vision=VISION | {"no_ln_pre": True}))  # fmt: skip
    refused("open_clip", path, tmp_path, "hf_model_name 'roberta' in text_cfg",
            told(text=TEXT | {"hf_model_name": "roberta"}))  # fmt: skip
    config.write_text("[]")
    refused("open_clip", path, tmp_path, "no model configuration of open_clip", config)
    absent = tmp_path / "absent.json"
    refused("open_clip", path, tmp_path, "absent.json cannot be read: No such file", absent)
    refused("openai", path, tmp_path, "--from=openai takes no --config", told())


def test_open_clip_configuration_beside_the_weights(weights, tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    saved(weights, folder / "open_clip_pytorch_model.bin")
    model = {"embed_dim": 48, "vision_cfg": VISION, "text_cfg": TEXT}
    view = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear"}
    content = {"model_cfg": model, "preprocess_cfg": view}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    published = origins.open_clip(folder, None)
    assert isinstance(published, Published)
    assert published.towers.image["mean"] == [0.5, 0.5, 0.5]
    assert published.towers.interpolation == "bilinear"
    assert published.towers.image["activation"] == "gelu"


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


def test_a_crafted_pickle_is_refused_and_not_executed(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("model.pt", "wb") as file:
        pickle.dump({"state_dict": {"a": np.ones(2)}, "config": Attack()}, file)
    for origin in ("openai", "open_clip", "declip", "transformers"):
        refused(
            origin, tmp_path / "model.pt", tmp_path, "mkdir|pickle", error=CheckpointFormatError
        )
    torch.save({"state_dict": weights, "config": Attack()}, "zip.pt")
    refused("openai", tmp_path / "zip.pt", tmp_path, "mkdir", error=CheckpointFormatError)
    assert not (tmp_path / "attacked").exists()


def test_output_that_is_something_else_is_kept(weights, tmp_path):
    path = saved(weights, tmp_path / "model.pt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ConversionError, match="no earlier conversion; give another --output"):
        convert("openai", path, tmp_path / "out", classes=["a", "b"], templates=["{}"])
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_transformers_folders_of_other_models(tmp_path):
    from safetensors.torch import save_file

    save_file({"visual_projection.weight": torch.ones(4, 8)}, tmp_path / "model.safetensors")
    refused("transformers", tmp_path, tmp_path, "config.json cannot be read: No such file")
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    refused("transformers", tmp_path, tmp_path, "model type 'siglip'; only a CLIPModel")
    (tmp_path / "config.json").write_text("{")
    refused("transformers", tmp_path, tmp_path, "config.json is damaged")
    wide = {"model_type": "clip", "vision_config": {"intermediate_size": 100}}
    (tmp_path / "config.json").write_text(json.dumps(wide))
    refused("transformers", tmp_path, tmp_path, "intermediate_size 100; only four times")


def test_a_folder_that_cannot_be_written_is_told(weights, tmp_path):
    path = saved(weights, tmp_path / "model.pt")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConversionError, match=r"Cannot write .*Not a directory\. Give another"):
        convert("openai", path, tmp_path / "file/out", classes=["a", "b"], templates=["{}"])


@pytest.mark.parametrize("write", [transformers_config.files, keras_hub_names.backbone])
@pytest.mark.parametrize(
    ("kind", "bias", "lacking"),
    [("ModifiedResNet", False, "ModifiedResNet"), ("VisionTransformer", True, "projection bias")],
)
def test_what_only_open_clip_has_a_place_for(write, kind, bias, lacking):
    towers = Architecture(kind, image={}, text={"projection_bias": bias})
    with pytest.raises(
        ConversionError, match=f"has no place for a {lacking}; write it with --to=o"
    ):
        write(towers, 100)
