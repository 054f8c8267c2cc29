"""Most tests of preparation need Apache Beam, which only the extra `data` brings."""

from importlib.util import find_spec

_NEED_BEAM = (
    "preparation/engine/test_beam_run.py",
    "preparation/engine/test_local_workers.py",
    "preparation/test_manifest.py",
    "preparation/test_prepare.py",
    "preparation/test_statistics_step.py",
)
collect_ignore = [] if find_spec("apache_beam") else list(_NEED_BEAM)
