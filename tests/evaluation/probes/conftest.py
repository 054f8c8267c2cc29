"""Fixtures of the tests of probes."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread():
    """Regressions as small as these only wait for further threads."""
    with threadpool_limits(1):
        yield
