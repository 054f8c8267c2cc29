"""What a large checkpoint takes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conversion import torch_clip
from tests.conversion.torch_clip import OpenAI


@pytest.mark.slow
def test_a_checkpoint_of_1_gb_converts_in_under_4_gb(tmp_path):
    sizes = {"size": 224, "patch": 14, "width": 1024, "depth": 19, "embed": 768}
    model = OpenAI(torch_clip.VisionTransformer(**sizes), embed=768, context=77)
    path = tmp_path / "large.pt"
    torch.save(model.state_dict(), path)
    del model
    assert path.stat().st_size > 0.98e9
    script = Path(__file__).with_name("large_conversion.py")
    command = [sys.executable, str(script), str(path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = int(done.stdout.split()[-1])
    print(f"{path.stat().st_size / 1e9:.2f} GB converted, peak {peak / 1e9:.2f} GB")
    assert peak < 4e9
