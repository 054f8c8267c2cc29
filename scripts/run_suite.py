"""clipbench-run-suite, from a checkout: python scripts/run_suite.py --suite=table4 --seeds=3"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a bare checkout too

from clipbench_tf.commands.run_suite import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
