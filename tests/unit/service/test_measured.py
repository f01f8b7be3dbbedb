"""What the metrics show of sources."""

from __future__ import annotations

from datetime import timedelta

from mtlsd.ops.metrics import SourceSample
from mtlsd.revocation.status_file import Row
from mtlsd.service.measured import samples
from tests.pki.maker import NOW

DAY = timedelta(days=1)


def test_a_source_with_several_lists_is_one() -> None:
    """Otherwise two samples would have the same labels, which Prometheus refuses."""
    lists = [
        Row("a", "crl", "/x.crl", issuer=issuer, last_good=NOW - DAY, next_update=NOW + days * DAY)
        for issuer, days in (("CN=1", 3), ("CN=2", 2))
    ]
    (found,) = samples(lists, NOW)
    assert found == SourceSample("a", "crl", "/x.crl", False, 86_400, 2 * 86_400)


def test_responders() -> None:
    rows = [
        Row("a", "ocsp", "http://ocsp.example", state="open", waiting=2),
        Row("b", "ocsp", "http://ocsp.example", error="ocsp.stale: x", state="closed", waiting=0),
        Row("c", "crl", "from-certificate"),
    ]
    assert [(own.group, own.failing, own.waiting) for own in samples(rows, NOW)] == [
        ("a", True, 2),
        ("b", True, 0),
        ("c", False, None),
    ]
