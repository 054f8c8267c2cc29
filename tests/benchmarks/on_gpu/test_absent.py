"""What can be checked of compiling for a GPU without JAX's CUDA plugin."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax._src.lib import xla_client

from clipbench_tf.benchmarks.on_gpu import absent

ROOT = Path(__file__).parents[3]


def test_without_the_plugin_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "programs.json").write_text(json.dumps(["one"]))
    monkeypatch.setattr(absent, "_PLUGINS", ("jax_cuda0_plugin",))
    with pytest.raises(absent.AbsentError, match=r"pip install 'jax\[cuda12\]'"):
        next(absent.compile_all(tmp_path, "a100"))


def test_a_folder_without_programs(tmp_path):
    script = [sys.executable, ROOT / "scripts/gpu/compile_programs.py", tmp_path]
    ended = subprocess.run(script, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr.startswith("Error: ")
    assert "export_programs.py" in ended.stderr and "Traceback" not in ended.stderr


def test_names_that_match_nothing(tmp_path):
    (tmp_path / "programs.json").write_text(json.dumps(["one", "two"]))
    with pytest.raises(absent.AbsentError, match="'three'; there are one, two"):
        next(absent.compile_all(tmp_path, "a100", only="three"))


def test_the_naive_form_is_equation_4():
    draw = np.random.default_rng(0)
    shapes = [2, 9, 8], [2, 9], [3, 5, 8], [3, 5], [2, 3]
    parameters = [{"shape": shape, "dtype": "float32"} for shape in shapes]
    device = jax.devices()[0]
    code = absent._naive(device, parameters)
    loaded = device.client.compile_and_load(
        code, xla_client.DeviceList((device,)), xla_client.CompileOptions()
    )
    images, texts, upstream = (draw.standard_normal(s).astype(np.float32) for s in shapes[::2])
    ran = loaded.execute_sharded([jax.numpy.asarray(x) for x in (images, texts, upstream)])
    value, of_images, of_texts = (
        np.asarray(one[0]) for one in ran.disassemble_into_single_device_arrays()
    )
    cosines = np.einsum("ipd,twd->itpw", images, texts)
    np.testing.assert_allclose(value, (cosines.max(3).mean(2) * upstream).sum(), rtol=1e-5)
    best, by_hand = cosines.argmax(3), np.zeros_like(images)
    for i, t, p in np.ndindex(best.shape):
        by_hand[i, p] += upstream[i, t] / 9 * texts[t, best[i, t, p]]
    np.testing.assert_allclose(of_images, by_hand, rtol=1e-4, atol=1e-6)
    assert of_texts.shape == texts.shape
