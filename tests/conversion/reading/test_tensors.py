import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

# Prints the sum of all tensors, each read once, and the peak of its resident memory in kB. Not by
# getrusage, whose peak a process inherits from the one that started it.
READ_ALL = """
import re, sys
from clipbench_tf.conversion.reading.checkpoint import read
tensors = read(sys.argv[1])
total = sum(float(tensors[name].sum()) for name in tensors)
assert "torch" not in sys.modules and "tensorflow" not in sys.modules
print(total, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def read_all(path) -> tuple[float, int]:
    """Sum of all tensors, and the peak of the process's memory in bytes."""
    command = [sys.executable, "-c", READ_ALL, str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(out[0]), int(out[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_reading_all_tensors_of_300_mb_one_by_one_never_holds_the_file(kind, tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    for path, count in ((small, 1), (large, 30)):
        state = {f"layer.{i}": torch.full((2500, 1000), 1.0) for i in range(count)}  # 10 MB each
        if kind == "safetensors":
            safetensors.torch.save_file(state, path)
        else:
            torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    assert large.stat().st_size > 300_000_000
    _, before = read_all(small)
    total, after = read_all(large)
    np.testing.assert_allclose(total, 30 * 2.5e6)
    assert after - before < 60_000_000
