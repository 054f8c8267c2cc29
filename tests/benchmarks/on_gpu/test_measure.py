"""Records of programs: times, errors, and what no time was left for."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch

from clipbench_tf.benchmarks.on_gpu import measure as on_gpu
from clipbench_tf.benchmarks.on_gpu import torch_clip, torch_similarity
from clipbench_tf.benchmarks.on_gpu.measure import measure
from clipbench_tf.benchmarks.on_gpu.program import Program
from clipbench_tf.benchmarks.programs.stablehlo import save
from clipbench_tf.objectives.similarity.token_similarity import token_similarity

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    """Two programs, one of which is damaged."""
    side = tf.ones([64, 64])
    for name in ("good", "damaged"):
        facts = {"precision": "float32", "flops": 2.0 * 64**3}
        save(lambda x: [x @ x], [side], tmp_path, name, facts)
    (tmp_path / "damaged.mlir").write_bytes(b"no program")
    (tmp_path / "programs.json").write_text(json.dumps(["damaged", "good"]))
    return tmp_path


def test_a_damaged_program_does_not_stop_the_others(folder, tmp_path):
    damaged, good, last = measure(folder, seconds=60, code=tmp_path / "code")
    assert damaged["case"] == "damaged" and damaged["error"]
    assert good["finite"] and good["milliseconds"]["ours"] > 0
    assert good["operations"]["dot"] == 1 or good["operations"].get("custom-call") == 1
    assert good["extra_mb"]["ours"] >= 64 * 64 * 4 / 1e6 - 0.06
    assert last["programs"] == []
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["good.txt.gz"]


def test_what_no_time_is_left_for_is_named(folder):
    (last,) = measure(folder, seconds=-1)
    assert last["case"] == "left out" and last["programs"] == ["damaged", "good"]


def test_what_was_compiled_is_measured_before_time_is_up(folder, monkeypatch):
    """Two groups of one; the second would take as long as the first, and no longer fits."""

    def slow(folder, name):
        time.sleep(0.3)
        return "compiled"

    monkeypatch.setattr(on_gpu, "_AT_ONCE", 1)
    monkeypatch.setattr(on_gpu, "_compiled", slow)
    first, last = measure(folder, seconds=0.5)
    assert first == {"case": "damaged", "error": "compiled"}
    assert last["programs"] == ["good"]


def test_a_gpu_that_jax_does_not_see(folder, monkeypatch):
    monkeypatch.setattr(on_gpu, "_torch_sees_gpu", lambda: True)
    with pytest.raises(on_gpu.DeviceError, match="jax"):
        next(measure(folder, seconds=60))


def test_a_peer_that_fails_on_the_way_leaves_ours():
    calls = iter([0.5, 0.5, 0.5])
    errors: dict[str, str] = {}
    timers = {"ours": lambda runs: 0.25, "torch": lambda runs: next(calls)}
    assert on_gpu._in_turns(timers, errors) == {"ours": [250.0] * on_gpu.ROUNDS}
    assert errors["torch"].startswith("StopIteration")


@pytest.mark.parametrize(
    ("kind", "peak"),
    [("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA H200", 989e12), ("AMD MI300X", None)],
)
def test_the_peak_is_that_of_the_card(kind, peak):
    facts = {"flops": 1e12, "precision": "bfloat16"}
    program = SimpleNamespace(device=SimpleNamespace(device_kind=kind), facts=facts)
    share = on_gpu._share(program, 1e3)
    assert share is None if peak is None else share == pytest.approx(1e12 / peak, abs=1e-4)


def test_a_variable_that_is_written_counts_once(tmp_path):
    queue = tf.Variable(tf.ones([1000, 100]))

    def push(x):
        queue.assign(queue.read_value() + x)
        return [tf.reduce_sum(x)]

    save(push, [tf.ones([100])], tmp_path, "push", {})
    program = Program(tmp_path, "push")
    program.compile()
    assert program.memory().parameters == 4 * (1000 * 100 + 100)
    assert program.memory().extra < 4 * 1000 * 100
    program.load()
    assert program.finite()
    assert program.arguments()[1].shape == (1000, 100)


def test_no_programs(tmp_path):
    script = [sys.executable, ROOT / "scripts/gpu/run_programs.py", tmp_path]
    ended = subprocess.run(script, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr.startswith("Error: ")
    assert "export_programs.py" in ended.stderr and "Traceback" not in ended.stderr


def test_the_module_needs_no_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import clipbench_tf.benchmarks.on_gpu.measure"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_exported_similarity_is_equation_4(tmp_path):
    script = [sys.executable, ROOT / "scripts/gpu/export_programs.py", f"--out={tmp_path}"]
    script += ["--only=similarity_selected_float32", "--batch=3", "--texts=5"]
    subprocess.run(script, check=True, capture_output=True)
    program = Program(tmp_path, "similarity_selected_float32")
    program.compile()
    draw = np.random.default_rng(0)
    images, texts = draw.standard_normal([3, 49, 256]), draw.standard_normal([5, 20, 256])
    upstream = np.ones([3, 5])
    floats = [jax.numpy.asarray(x, "float32") for x in (images, texts, upstream)]
    every = [jax.numpy.ones(x.shape[:2], bool) for x in (images, texts)]
    program._arguments = [floats[0], every[0], floats[1], every[1], floats[2]]
    found, of_images, of_texts = (np.asarray(x) for x in program.start())
    cosines = np.einsum("ipd,twd->itpw", images, texts)
    np.testing.assert_allclose(found, cosines.max(3).mean(2), rtol=1e-4, atol=1e-4)
    x = tf.Variable(images, dtype=tf.float32)
    with tf.GradientTape() as tape:
        keys = tf.constant(texts, tf.float32)
        every = [tf.ones(t.shape[:2], tf.bool) for t in (x, keys)]
        total = tf.reduce_sum(token_similarity(x, every[0], keys, every[1]))
    np.testing.assert_allclose(of_images, tape.gradient(total, x), rtol=1e-4, atol=1e-4)
    assert of_texts.shape == texts.shape


def test_the_peers_compute_the_same_method():
    run = torch_similarity.similarity(2, 3, 4, "float32", compiled=False, device="cpu")
    images, texts = run()
    assert images.shape == (2, 49, 256) and texts.shape == (3, 4, 256)
    # Each patch passes 1/49 of what it receives to one word of each text, of unit length.
    assert 0 < float(texts.norm()) < 3 * 2 * 3
    ids = torch.randint(320, 400, (2, 77))
    ids[1] = ids[0]  # two equal pairs: the loss is that of chance
    pixels = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    with torch.no_grad():
        loss = torch_clip.Clip()(pixels, ids)
    assert float(loss) == pytest.approx(np.log(2), abs=1e-4)
