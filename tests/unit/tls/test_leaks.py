"""What OpenSSL hands out is given back: a server lives long."""

from __future__ import annotations

import gc
from datetime import datetime
from pathlib import Path

import pytest

from mtlsd.judge import Judgement, PresentedCertificate, judge
from tests.pki import DNS, Presented
from tests.unit.tls.memory import PKI, Forgetful, client_context, creator, judge_of, pki_client, shake

PAGE_BYTES = 4096


def resident_bytes() -> int:
    """Of this process (Linux, proc(5) statm)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


class NoMemory(Forgetful):
    """Asks for every certificate's bytes each time."""

    def __init__(self) -> None:
        billing = pki_client("billing", tls_client_auth_san_dns=DNS)
        self.snapshot = judge_of(billing, intermediates=[PKI.intermediate.der]).snapshot

    def judge(self, presented: PresentedCertificate, at: datetime, /) -> Judgement:
        return judge(presented, self.snapshot, at)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs proc(5)")
@pytest.mark.parametrize(
    "presented", [PKI.leaf(), PKI.leaf(chain=()), PKI.pinned], ids=["good", "no path", "refused"]
)
def test_handshakes_leave_nothing_behind(presented: Presented) -> None:
    """Two hundred handshakes with a path of three certificates: half a megabyte, and more."""
    made_by, context = creator(NoMemory()), client_context(presented)
    for _ in range(60):
        shake(made_by, context)
    before = resident_bytes()
    for _ in range(200):
        shake(made_by, context)
    assert resident_bytes() - before < 300_000
