"""Converts a large checkpoint: `python large_conversion.py FILE OUTPUT` prints its peak memory.

Run as a program by the tests, not imported.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from clipbench_tf.conversion.convert import convert

convert("openai", Path(sys.argv[1]), Path(sys.argv[2]), classes=["a", "b"], templates=["{}"])
# Not `getrusage`, whose peak a process inherits from the one that started it.
status = Path("/proc/self/status").read_text(encoding="utf-8")
print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)
