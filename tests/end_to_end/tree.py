"""A copy of what git would commit, for tests that build or install mtlsd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_tree(to: Path) -> Path:
    """Copy every file that git tracks, or would if asked, into *to*; return *to*."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).exists():  # it may be deleted, and that not committed yet
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to
