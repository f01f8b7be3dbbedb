"""The units as systemd reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.tools import needs

ETC = Path(__file__).parents[2] / "etc"
HIGHEST_EXPOSURE = 1.6


def analyze(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units as shipped, but with a program that is there."""
    copies = []
    for unit in sorted((ETC / "systemd").iterdir()):
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(unit.read_text().replace("/opt/mtlsd/bin/mtlsd", "/bin/true"))
    return copies


@needs("systemd-analyze")
def test_systemd_has_nothing_to_say_about_the_units(units: list[Path]) -> None:
    assert analyze("verify", *units) == ""


@needs("systemd-analyze")
def test_the_service_is_confined(units: list[Path]) -> None:
    service = next(unit for unit in units if unit.suffix == ".service")
    said = analyze("security", "--offline=true", service)
    exposure = re.search(r"Overall exposure level for mtlsd.service: ([0-9.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= HIGHEST_EXPOSURE, said


def test_the_service_is_started_as_the_program_needs_it() -> None:
    """What systemd-analyze has no opinion of."""
    service = (ETC / "systemd" / "mtlsd.service").read_text().splitlines()
    assert "Type=notify" in service
    assert "Environment=PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1" in service
    assert not [line for line in service if line.startswith(("MemoryDenyWriteExecute", "PIDFile"))]
