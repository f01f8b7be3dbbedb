"""What is built from the tree installs, in every way that people install, and keeps twistd's plugin.

Nothing is downloaded: the fresh environments find what mtlsd needs through a .pth file.
"""

from __future__ import annotations

import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import attrs
import pytest

import mtlsd
from tests.end_to_end.tree import copy_tree

PLUGIN = "twisted/plugins/mtlsd_plugin.py"


def run(*command: str | Path, cwd: Path) -> str:
    """What *command* prints; its whole output is shown where it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


@attrs.frozen
class Built:
    tree: Path
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A copy of what git would commit, and the wheel that is built from the sdist that is built from it."""
    tree = copy_tree(tmp_path_factory.mktemp("tree"))
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree, cwd=tree)
    return Built(tree, next(out.glob("*.tar.gz")), next(out.glob("*.whl")))


def test_the_sdist_and_the_wheel_hold_what_is_needed(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    with zipfile.ZipFile(built.wheel) as wheel:
        in_wheel = set(wheel.namelist())
    modules = {str(path.relative_to(built.tree)) for path in (built.tree / "mtlsd").rglob("*.py")}
    schema = {str(path.relative_to(built.tree)) for path in (built.tree / "mtlsd").rglob("*.sql")}
    templates = {str(path.relative_to(built.tree)) for path in (built.tree / "mtlsd").rglob("templates/*")}
    needed = {PLUGIN, "mtlsd/py.typed", *modules, *schema, *templates}
    assert schema
    assert templates
    assert needed - in_sdist == set()
    assert needed - in_wheel == set()
    assert {"etc/systemd/mtlsd.service", "etc/systemd/mtlsd.socket"} - in_sdist == set()


def test_they_hold_nothing_else(built: Built) -> None:
    """No tests; and no __init__.py below twisted/, which would hide Twisted itself."""
    with tarfile.open(built.sdist) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    with zipfile.ZipFile(built.wheel) as wheel:
        in_wheel = set(wheel.namelist())
    assert not [name for name in in_sdist | in_wheel if name.startswith("tests/")]
    assert not [name for name in in_sdist | in_wheel if name.endswith((".pyc", "dropin.cache", ".key"))]
    assert {name for name in in_wheel if name.startswith("twisted/")} == {PLUGIN}
    assert {name.split("/")[0].split("-")[0] for name in in_wheel} == {"mtlsd", "twisted"}


@pytest.mark.parametrize("way", ["wheel", "sdist", "editable"])
def test_every_kind_of_installation_keeps_the_plugin(built: Built, tmp_path: Path, way: str) -> None:
    what = {"wheel": built.wheel, "sdist": built.sdist, "editable": built.tree}[way]
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    packages = next(venv.glob("lib/python3.*/site-packages"))
    (packages / "needed.pth").write_text("\n".join(site.getsitepackages()))
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    if way == "editable":
        offline.append("--editable")
    run(sys.executable, "-m", "pip", "--python", venv, "install", *offline, what, cwd=tmp_path)

    python = venv / "bin" / "python"
    place = run(python, "-c", "import mtlsd; print(mtlsd.__file__)", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(built.tree if way == "editable" else venv)
    twistd = run(python, "-c", "from twisted.scripts.twistd import run; run()", "--help", cwd=tmp_path)
    assert "mtlsd" in twistd.split("Commands:")[1]
    assert "mtlsd" in run(python, "-m", "twisted", "--help", cwd=tmp_path).split("Commands:")[1]
    assert mtlsd.__version__ in run(venv / "bin" / "mtlsd", "--version", cwd=tmp_path)
