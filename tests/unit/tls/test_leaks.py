"""What OpenSSL hands out is given back: a server lives long."""

from __future__ import annotations

import ctypes
import gc
from datetime import datetime

import pytest

from mtlsd.judge import Judgement, PresentedCertificate, judge
from tests.pki import DNS, Presented
from tests.unit.tls.memory import PKI, Forgetful, client_context, creator, judge_of, pki_client, shake

C = ctypes.CDLL(None)


_BEFORE = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks")
_AFTER = ("fordblks", "keepcost")


class Mallinfo2(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def allocated_bytes() -> int:
    """What this process holds of the C library's heap: OpenSSL's memory, and not Python's objects."""
    gc.collect()
    C.mallinfo2.restype = Mallinfo2
    return int(C.mallinfo2().uordblks)


class NoMemory(Forgetful):
    """Asks for every certificate's bytes each time."""

    def __init__(self) -> None:
        billing = pki_client("billing", tls_client_auth_san_dns=DNS)
        self.snapshot = judge_of(billing, intermediates=[PKI.intermediate.der]).snapshot

    def judge(self, presented: PresentedCertificate, at: datetime, /) -> Judgement:
        return judge(presented, self.snapshot, at)


@pytest.mark.skipif(not hasattr(C, "mallinfo2"), reason="needs glibc 2.33")
@pytest.mark.parametrize(
    "presented", [PKI.leaf(), PKI.leaf(chain=()), PKI.pinned], ids=["path", "none", "bad"]
)
def test_handshakes_leave_nothing_behind(presented: Presented) -> None:
    """Less than 100 bytes a handshake: nothing that OpenSSL allocates for a certificate is so small."""
    made_by, context = creator(NoMemory()), client_context(presented)
    for _ in range(30):
        shake(made_by, context)
    before = allocated_bytes()
    for _ in range(100):
        shake(made_by, context)
    assert allocated_bytes() - before < 10_000
