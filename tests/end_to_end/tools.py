"""Tests that need programs which are not everywhere: skipped there, but where CI=true they fail instead."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str, root: bool = False) -> pytest.MarkDecorator:
    """Skip the test where one of *programs*, or root, is not to be had, and say which."""
    missing = [program for program in programs if shutil.which(program) is None]
    if root and os.geteuid() != 0:
        missing.append("root")
    return pytest.mark.skipif(
        bool(missing) and os.environ.get("CI") != "true", reason=f"needs {' and '.join(missing)}"
    )
