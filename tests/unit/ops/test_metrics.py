"""What is counted of the audit log's events, as Prometheus reads it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mtlsd.errors import Fact
from mtlsd.ops.metrics import Metrics, SourceSample
from mtlsd.reasons import REASONS

URL = "https://pki.example/ca.crl"
Numbers = dict[tuple[str, ...], float]


def read(metrics: Metrics) -> Numbers:
    """Name and values of the labels of each sample, with its number."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def counted(*events: tuple[str, dict[str, Fact]], sources: tuple[SourceSample, ...] = ()) -> Numbers:
    metrics = Metrics(lambda: sources)
    for name, facts in events:
        metrics.count(name, facts)
    return read(metrics)


def test_nothing_yet() -> None:
    """What has not happened is 0 where there is one number, and not there where there is one a label."""
    assert counted() == {("mtlsd_tokens_issued_total",): 0}


def test_events() -> None:
    found = counted(
        ("token.issued", {}),
        ("token.issued", {"revocation_unchecked": ("partners", "others")}),
        ("token.refused", {"reason": "subject.mismatch"}),
        ("token.refused", {"reason": "subject.mismatch"}),
        ("handshake.refused", {"reason": "revocation.revoked"}),
        ("request.refused", {"reason": "request.method"}),
        ("crl.updated", {"group": "partners"}),
    )
    assert found == {
        ("mtlsd_tokens_issued_total",): 2,
        ("mtlsd_tokens_refused_total", "subject.mismatch"): 2,
        ("mtlsd_handshakes_refused_total", "revocation.revoked"): 1,
        ("mtlsd_requests_refused_total", "request.method"): 1,
        ("mtlsd_revocation_unknown_allowed_total", "partners"): 1,
        ("mtlsd_revocation_unknown_allowed_total", "others"): 1,
        ("mtlsd_events_total", "token.issued"): 2,
        ("mtlsd_events_total", "token.refused"): 2,
        ("mtlsd_events_total", "handshake.refused"): 1,
        ("mtlsd_events_total", "request.refused"): 1,
        ("mtlsd_events_total", "crl.updated"): 1,
    }


@pytest.mark.parametrize("reason", [None, 5, "made.up", 'x"} 1\nmtlsd_fake 1'])
def test_only_known_reasons_are_labels(reason: Fact) -> None:
    assert counted(("token.refused", {"reason": reason}))["mtlsd_tokens_refused_total", "other"] == 1


def test_labels_are_few() -> None:
    """Whatever strangers do."""
    events: list[tuple[str, dict[str, Fact]]] = [
        ("token.refused", {"reason": reason, "client_id": str(number)})
        for number, reason in enumerate([*REASONS, *REASONS])
    ]
    found = counted(*events)
    assert len(found) == len(REASONS) + 2


def test_sources() -> None:
    found = counted(
        sources=(
            SourceSample("partners", "crl", URL, False, 60.0, 3600.0),
            SourceSample("partners", "ocsp", 'http://a.example/"\n', True, waiting=3),
        )
    )
    del found[("mtlsd_tokens_issued_total",)]
    assert found == {
        ("mtlsd_source_failing", "partners", "crl", URL): 0,
        ("mtlsd_source_failing", "partners", "ocsp", 'http://a.example/"\n'): 1,
        ("mtlsd_source_age_seconds", "partners", "crl", URL): 60,
        ("mtlsd_source_left_seconds", "partners", "crl", URL): 3600,
        ("mtlsd_source_waiting", "partners", "ocsp", 'http://a.example/"\n'): 3,
    }


def test_two_services_count_apart() -> None:
    first, second = Metrics(tuple), Metrics(tuple)
    first.count("token.issued", {})
    assert read(second)[("mtlsd_tokens_issued_total",)] == 0
    assert b"python_info" not in first.exposition(), "nor is there anything of the process"
