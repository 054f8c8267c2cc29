"""scripts/convert.py: what it prints, and one line for what cannot be converted."""

import json

import pytest
import torch

from clipbench_tf import api
from tests.conversion import torch_clip
from tests.conversion.torch_clip import OpenAI, randomised
from tests.scripts import in_process


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    sizes = {"size": 64, "patch": 16, "width": 64, "depth": 1, "embed": 48}
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    model = randomised(OpenAI(torch_clip.VisionTransformer(**sizes), embed=48))
    torch.save({"epoch": 3, "state_dict": model.state_dict()}, path)
    return path


def test_there_and_back(checkpoint, tmp_path):
    flags = [f"--checkpoint={checkpoint}", f"--output={tmp_path / 'ours'}"]
    status, output, errors = in_process.run("convert.py", "--from=openai", *flags)
    assert (status, errors) == (0, "")
    assert "clip of openai: VisionTransformer at 64 px, width 64; text of 2 layers" in output
    assert "0 deliberately unused" in output
    assert "not weights: epoch" in output
    model = api.load(tmp_path / "ours")
    assert model.card["classes"] == 1000
    account = json.loads((tmp_path / "ours" / "conversion.json").read_text())
    assert account["checkpoint"] == "tiny.pt"

    flags = [f"--checkpoint={tmp_path / 'ours'}", f"--output={tmp_path / 'theirs'}"]
    status, output, errors = in_process.run("convert.py", "--to=open_clip", *flags)
    assert (status, errors) == (0, "")
    assert "left out: the embedding of the mask token" in output
    flags = [f"--checkpoint={tmp_path / 'theirs'}", f"--output={tmp_path / 'again'}"]
    status, output, errors = in_process.run("convert.py", "--from=open_clip", *flags)
    assert (status, errors) == (0, "")
    again = api.load(tmp_path / "again")
    texts = ["a cat", "two dogs"]
    assert (again.encode_texts(texts) == model.encode_texts(texts)).all()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "Give either --from or --to"),
        (["--from=openai", "--to=open_clip"], "Give either --from or --to"),
        (["--from=openai"], "is no file and no folder"),
        (["--from=declip"], "is no file and no folder"),
        (["--to=transformers"], "There is no folder"),
        (["--from=openai", "stray"], "'stray' is no flag"),
    ],
)
def test_one_line_for_what_cannot_be_done(flags, expected, tmp_path):
    given = [f"--checkpoint={tmp_path / 'absent'}", f"--output={tmp_path / 'out'}"]
    status, _, errors = in_process.run("convert.py", *flags, *given)
    assert status == 1
    assert expected in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()
