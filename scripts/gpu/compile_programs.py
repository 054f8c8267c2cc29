"""Compiles what export_programs.py wrote for a GPU that this machine lacks; for reading.

  python scripts/gpu/compile_programs.py programs --out=compiled [--gpu=a100]

needs JAX's CUDA plugin (`pip install 'jax[cuda12]'`), no GPU and no TensorFlow. It prints a JSON
line for each program: the memory of its buffers, and what its kernels move through memory.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout

from clipbench_tf.benchmarks.on_gpu.absent import GPUS, AbsentError, compile_all


def main() -> None:
    """Compiles; exits with status 1 where nothing can be compiled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the programs")
    parser.add_argument("--out", type=Path, help="folder for the compiled code")
    parser.add_argument("--gpu", choices=GPUS, default="h100", help="default: %(default)s")
    parser.add_argument("--only", default="", help="regular expression of the programs' names")
    given = parser.parse_args()
    try:
        for record in compile_all(given.folder, given.gpu, only=given.only, code=given.out):
            print(json.dumps({"benchmark": "compiled", **record}), flush=True)
    except FileNotFoundError as error:
        sys.exit(f"Error: {error}; write programs by scripts/gpu/export_programs.py.")
    except AbsentError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
