"""docs/refusals.md has every reason, as the code has it.

``python -m tests.unit.test_docs_refusals`` prints the table to put there.
"""

from __future__ import annotations

from pathlib import Path

from mtlsd.errors import Reason
from mtlsd.pki.verify_errors import alert_for
from mtlsd.reasons import REASONS
from tests.unit.tls.memory import (
    PKI,
    VERSIONS,
    client_context,
    creator,
    judge_of,
    pki_client,
    shake,
    thief_context,
)

PAGE = Path(__file__).parents[2] / "docs/refusals.md"
HEADING = ("code", "answer", "alert", "what it means", "what to do")

NEW_TO_OLD = VERSIONS[::-1]

# The handshake has failed by itself: no answer can follow, and the alert is OpenSSL's own.
HANDSHAKE_ONLY = {"tls.possession", "tls.failed", "tls.timeout"}


def row(reason: Reason) -> tuple[str, ...]:
    """A reason's cells."""
    error = f" `{reason.error}`" if reason.error else ""
    answer = "" if reason.code in HANDSHAKE_ONLY else f"{reason.status}{error}"
    alert = f"`{alert_for(reason.verify_error)}`" if reason.verify_error else ""
    return f"`{reason.code}`", answer, alert, reason.meaning, reason.remedy


def table() -> list[str]:
    """The whole table, line by line."""
    rows = [HEADING, ("---",) * len(HEADING), *map(row, REASONS.values())]
    return [" ".join(f"| {cell}" if cell else "|" for cell in cells) + " |" for cells in rows]


def test_every_reason_is_there_as_it_is() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    start = lines.index(table()[0])
    assert lines[start : lines.index("", start)] == table()


def test_no_cell_breaks_the_table() -> None:
    assert not any("|" in cell for reason in REASONS.values() for cell in row(reason))


def test_alerts_that_openssl_chooses() -> None:
    """What stands in the page's last table."""
    billing = pki_client("billing", tls_client_auth_subject_dn="CN=billing,O=Partner,C=DE")
    made_by = creator(judge_of(billing))
    for code, alerts in {
        "certificate.absent": [shake(made_by, client_context(None, version)).alert for version in NEW_TO_OLD],
        "tls.possession": [
            shake(made_by, thief_context(PKI.leaf(), version)).alert for version in NEW_TO_OLD
        ],
    }.items():
        assert f"\n| `{code}` | `{alerts[0]}` | `{alerts[1]}` |\n" in PAGE.read_text("utf-8")


if __name__ == "__main__":
    print("\n".join(table()))
