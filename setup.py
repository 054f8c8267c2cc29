"""Packaging of clipbench_tf."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "clipbench_tf/__init__.py").read_text())[1]
COMMANDS = (
    *("train", "evaluate", "plan", "launch", "benchmark", "leaderboard"),
    *("prepare_data", "dataset_stats", "convert", "export", "serve", "run_suite"),
)

setup(
    name="clipbench_tf",
    version=VERSION,
    description="Train and compare CLIP, SLIP, FILIP, DeCLIP and DeFILIP with Keras 3.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    # The folder gin/ holds configs only; in the wheel they lie beside the code.
    packages=[*find_packages(include=["clipbench_tf", "clipbench_tf.*"]), "clipbench_tf.gin"],
    package_dir={"clipbench_tf.gin": "gin"},
    package_data={
        "clipbench_tf": [
            "data/text/*.gz",
            "data/text/*.txt",
            "data/readers/labelled/*.txt",
            "data/readers/labelled/LICENSE.open_clip",
            "data/readers/labelled/NOTICE",
            "data/emoji/*",
            "data/emoji/*/*",
            "leaderboard/page/*.css",
            "leaderboard/page/*.html",
            "leaderboard/page/*.js",
            "leaderboard/records/*/*.json",
            "benchmarks/records/*.jsonl",
            "serving/page/*.html",
            "serving/page/*.css",
            "serving/page/*.js",
            "serving/page/*.svg",
        ],
        "clipbench_tf.gin": ["*.gin", "*/*.gin"],
    },
    entry_points={
        "console_scripts": [
            f"clipbench-{name.replace('_', '-')} = clipbench_tf.commands.{name}:run"
            for name in COMMANDS
        ]
    },
    install_requires=[
        "absl-py>=2.1",
        "ftfy>=6.3",
        "gin-config==0.5.0",
        "google-crc32c>=1.5",
        "httptools>=0.9",
        "keras==3.15.*",
        "keras-hub==0.32.*",
        "matplotlib>=3.11",
        "ml-dtypes>=0.5",
        "numpy>=2.4",
        "orjson>=3.11",
        "pillow>=11",
        "prometheus-client>=0.26",
        "safetensors>=0.6",
        "scikit-learn>=1.9",
        "scipy>=1.15",
        "starlette>=1.10",
        "tensorboard==2.21.*",
        "tensorflow==2.21.*",
        "tensorflow-text==2.21.*",
        "uvicorn>=0.54",
        "uvloop>=0.23",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.21.*"],
        "test": [
            "ai-edge-litert>=2.3",
            "cykooz-resizer>=4.0.1",
            "httpx2>=2.16",
            "jax>=0.10",
            "mypy>=2.4",
            "onnx>=1.23",
            "onnxruntime>=1.32",
            "pytest>=9.2",
            "pytest-xdist>=3.8",
            "regex",
            "ruff>=0.17",
            "selenium>=4.51",
            "tf2onnx>=1.17",
            "torch==2.13.0",
            "transformers>=5.24",
        ],
        "onnx": ["onnx>=1.23", "tf2onnx>=1.17"],
        "bench": ["cykooz-resizer>=4.0.1", "jax>=0.10", "torch==2.13.0", "transformers>=5.24"],
        # Prepares data sets, and draws openclipart's. Beam wants older packages than `build`.
        "data": ["apache-beam==2.77.*", "cykooz-resizer>=4.0.1", "resvg-py==0.5.0"],
        # What builds the shipped data; these versions decide its bytes.
        "build": ["pillow==13.0.0", "resvg-py==0.5.0"],
    },
)
