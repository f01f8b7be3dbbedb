"""Which of two answers about one certificate stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mtlsd.errors import Fact
from mtlsd.pki.ocsp import SKEW
from mtlsd.pki.revocation import Answer
from mtlsd.revocation.inquiry import Inquiry


def is_older(new: Answer, known: Answer, now: datetime) -> bool:
    """Whether a new answer must not follow what is known. Of two of one moment the graver one stands.

    What is from the future, since a clock was wrong, stands in nobody's way.
    """
    if known.status == "unknown" or known.this_update > now + SKEW:
        return False
    if new.this_update == known.this_update:
        return known.status == "revoked" and new.status != "revoked"
    return new.this_update < known.this_update


def says_more(new: Answer, known: Answer) -> bool:
    """Whether a new answer says something else, or lasts longer."""
    return (new.status, new.this_update, new.next_update, new.revoked_at, new.reason) != (
        known.status,
        known.this_update,
        known.next_update,
        known.revoked_at,
        known.reason,
    )


def revoked_facts(inquiry: Inquiry, answer: Answer) -> Mapping[str, Fact]:
    """For the audit log."""
    revoked_at = None if answer.revoked_at is None else answer.revoked_at.isoformat()
    more: dict[str, Fact] = {"source": answer.source, "group": inquiry.key.group}
    return inquiry.facts | more | {"reason": answer.reason, "revoked_at": revoked_at}
