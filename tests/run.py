"""Runs the suite under Bazel, which starts a file rather than a module."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
