"""Prometheus's text from a daemon, on the listener that docs/operating.md shows."""

from __future__ import annotations

from pathlib import Path

from mtlsd.ops.metrics import CONTENT_TYPE
from tests.end_to_end.test_docs import BIN, ROOT, Place, blocks, place, running
from tests.end_to_end.tools import needs

__all__ = ["place"]

TOKEN = (
    "curl --cacert dev/ca.pem --cert dev/billing.pem --key dev/billing.key "
    "-d grant_type=client_credentials -d client_id={} https://localhost:8443/token"
)


@needs("bash", "curl")
def test_what_happened_is_counted(place: Place) -> None:
    (block,) = [own for own in blocks(ROOT / "docs/operating.md", "toml") if '"metrics"' in own]
    config, port = place.directory / "dev/mtlsd.toml", place.free_port()
    config.write_text(f"{config.read_text()}\n{block.replace('9443', port)}")
    log = Path(place.directory / "log")
    with running([BIN / "mtlsd", "run", "-c", "dev/mtlsd.toml"], place.directory, log, "server.started"):
        for client_id in ("billing", "billing", "pinned"):
            place.run(TOKEN.format(client_id))
        page = place.run(f"curl -i --cacert dev/ca.pem https://localhost:{port}/metrics")
        elsewhere = place.run("curl --cacert dev/ca.pem https://localhost:8444/metrics")
    head, _, text = page.replace("\r", "").partition("\n\n")
    assert f"content-type: {CONTENT_TYPE.decode()}" in head.lower()
    lines = text.splitlines()
    assert "mtlsd_tokens_issued_total 2.0" in lines
    assert 'mtlsd_tokens_refused_total{reason="pin.mismatch"} 1.0' in lines
    assert f'mtlsd_source_failing{{group="dev",kind="crl",source="{config.parent}/ca.crl"}} 0.0' in lines
    assert "invalid_request" in elsewhere
