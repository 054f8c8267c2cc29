"""Times what export_programs.py wrote, on this machine's GPU by JAX, beside PyTorch.

  python scripts/gpu/run_programs.py programs --out=gpu [--seconds=420]

needs JAX, and PyTorch for the peers; no TensorFlow. It prints a JSON line for each program, and
appends the lines to programs.jsonl in --out.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch shares the memory
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout

from clipbench_tf.benchmarks.on_gpu.measure import DeviceError, measure


def main() -> None:
    """Measures; exits with status 1 if a program fails, after the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the programs")
    parser.add_argument("--out", type=Path, help="folder for the records")
    parser.add_argument("--code", type=Path, help="folder for the compiled code")
    parser.add_argument("--seconds", type=float, default=420, help="after which none is begun")
    parser.add_argument("--only", default="", help="regular expression of the programs' names")
    given = parser.parse_args()
    if not (given.folder / "programs.json").is_file():
        sys.exit(
            f"Error: {given.folder} has no programs.json; write programs there by "
            "scripts/gpu/export_programs.py."
        )
    failed = False
    try:
        for record in measure(
            given.folder, seconds=given.seconds, only=given.only, code=given.code
        ):
            line = json.dumps({"benchmark": "programs", **record})
            print(line, flush=True)
            failed |= "error" in record
            if given.out:
                given.out.mkdir(parents=True, exist_ok=True)
                with open(given.out / "programs.jsonl", "a", encoding="utf-8") as file:
                    file.write(line + "\n")
    except DeviceError as error:
        sys.exit(f"Error: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
