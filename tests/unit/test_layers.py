"""scripts/check-imports: the order in which the parts of mtlsd may import each other."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    """The script as a module; its name has no .py."""
    loader = SourceFileLoader("check_imports", str(ROOT / "scripts" / "check-imports"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)

    sys.modules[loader.name] = module  # dataclasses look their module up there
    loader.exec_module(module)
    return module


def tree(root: Path, **files: str) -> Path:
    """A small mtlsd/ below *root*: ``pki__dn="import time"`` is mtlsd/pki/dn.py."""
    for name, text in files.items():
        path = root.joinpath("mtlsd", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_tree_keeps_the_order(checker: ModuleType) -> None:
    assert checker.mistakes(ROOT) == []


def test_upwards_and_into_itself_is_right(checker: ModuleType, tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        errors="from datetime import datetime\n",
        pki__dn="from mtlsd.errors import Refusal\n",
        pki__path="from OpenSSL.crypto import X509Store\nfrom .dn import DistinguishedName\n",
        tls__peer="from mtlsd import __version__\nfrom mtlsd.pki import dn\nimport time\n",
        web__token="from mtlsd.tls.peer import Peer\nopen('x')\n",
        service="import mtlsd.web.token\nfrom twisted.internet import defer\n",
        cli__run="from mtlsd import service\n",
        tap="from mtlsd.service import make\nfrom mtlsd.cli import run\n",
    )
    assert checker.mistakes(root) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"pki__dn": "x = 1\nfrom mtlsd.jose.jwk import y\n", "jose__jwk": ""},
            "mtlsd/pki/dn.py:2: pki imports jose, which stands below it: imports go only upwards",
        ),
        (
            {"stores__sqlite": "def f():\n    import mtlsd.keys\n", "keys__files": ""},
            "mtlsd/stores/sqlite.py:2: stores imports keys, which stands beside it: imports go only upwards",
        ),
        (
            {"tls__peer": "from ..web import channel\n", "web__channel": ""},
            "mtlsd/tls/peer.py:1: tls imports web, which stands beside it: imports go only upwards",
        ),
        (
            {"judge": "from mtlsd import service\n", "service": ""},
            "mtlsd/judge.py:1: judge imports service, which stands below it: imports go only upwards",
        ),
        (
            {"extras": ""},
            "mtlsd/extras.py:1: mtlsd.extras has no place in LAYERS: give it one",
        ),
        (
            {"oauth__names": "from twisted.internet import defer\n"},
            "mtlsd/oauth/names.py:1: oauth imports twisted: nothing in the pure part knows Twisted",
        ),
        (
            {"pki__path": "from OpenSSL import SSL\n"},
            "mtlsd/pki/path.py:1: pki imports OpenSSL.SSL: "
            "nothing in the pure part knows an OpenSSL connection",
        ),
        (
            {"jose__jwt": "import time\n"},
            "mtlsd/jose/jwt.py:1: jose imports time: nothing in the pure part knows a clock",
        ),
        (
            {"judge": "import datetime\nx = datetime.datetime.now()\n"},
            "mtlsd/judge.py:2: judge calls datetime.now(): nothing in the pure part knows a clock",
        ),
        (
            {"clients__client": "x = open('pins.pem')\n"},
            "mtlsd/clients/client.py:1: clients calls open(): nothing in the pure part knows a file",
        ),
        (
            {"web__a": "from .b import x\n", "web__b": "from mtlsd.web.a import y\n"},
            "mtlsd/web/b.py:1: a circle of imports: mtlsd.web.a > mtlsd.web.b > mtlsd.web.a",
        ),
    ],
)
def test_each_rule_is_held(checker: ModuleType, tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert checker.mistakes(tree(tmp_path, **files)) == [expected]


def test_it_exits_1_and_says_where(
    checker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checker.main([str(tree(tmp_path, errors="import mtlsd.pki\n"))]) == 1
    assert capsys.readouterr().out.startswith("mtlsd/errors.py:1: ")
    assert checker.main([str(tree(tmp_path, errors=""))]) == 0
    assert capsys.readouterr().out == ""
