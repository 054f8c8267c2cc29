"""clipbench-export, from a checkout: python scripts/export.py --model=runs/clip --output=DIR"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a bare checkout too

from clipbench_tf.commands.export import main, run

__all__ = ["main"]

if __name__ == "__main__":
    run()
