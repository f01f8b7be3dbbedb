"""Tests that need programs which are not everywhere: skipped there, but where CI=true they fail instead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def needs(*programs: str | Path, root: bool = False) -> pytest.MarkDecorator:
    """Skip the test where one of *programs*, which may be paths, or root is not to be had, and say which."""
    missing = [
        str(own) for own in programs if not (own.exists() if isinstance(own, Path) else shutil.which(own))
    ]
    if root and os.geteuid() != 0:
        missing.append("root")
    return pytest.mark.skipif(
        bool(missing) and os.environ.get("CI") != "true", reason=f"needs {' and '.join(missing)}"
    )
