"""An answer of a responder as it lies on the disk: what was asked and what came back, one line of JSON each.

Nothing of it is believed when it is read back: the response is verified again, for a certificate and an
issuer that are at hand then.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from mtlsd.pki.ocsp import MAX_RESPONSE_BYTES
from mtlsd.pki.ocsp_request import NONCE_OCTETS
from mtlsd.revocation.inquiry import Key

_HEAD: Final = {"mtlsd": "ocsp answers", "version": 1}
_LONGEST_TEXT: Final = 2048
_HASH_OCTETS: Final = 32


@attrs.frozen
class Record:
    """One answer.

    :ivar nonce: that was sent, if any.
    :ivar until: when it need not be kept any more; aware, like the other instant.
    :ivar response: DER.
    """

    key: Key
    url: str
    nonce: bytes | None
    fetched_at: datetime
    until: datetime
    response: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.response) + 1000


def to_file(records: Iterable[Record]) -> bytes:
    return "".join(f"{line}\n" for line in (json.dumps(_HEAD), *map(_to_line, records))).encode()


def from_file(data: bytes) -> list[Record]:
    """Read what :func:`to_file` wrote.

    :raises ValueError: for anything else, and for what is not whole.
    """
    head, *lines = data.decode().split("\n")
    if lines[-1:] != [""]:
        raise ValueError("the file is not whole")
    if json.loads(head) != _HEAD:
        raise ValueError("the file is none of this release's")
    return [_from_line(line) for line in lines[:-1]]


def _to_line(record: Record) -> str:
    return json.dumps(
        {
            "group": record.key.group,
            "certificate": _text(record.key.certificate),
            "issuer_key": _text(record.key.issuer_key),
            "url": record.url,
            "nonce": None if record.nonce is None else _text(record.nonce),
            "fetched_at": record.fetched_at.isoformat(),
            "until": record.until.isoformat(),
            "response": _text(record.response),
        }
    )


def _from_line(line: str) -> Record:
    try:
        found: dict[str, Any] = json.loads(line)
        nonce = found["nonce"]
        return Record(
            key=Key(
                _short(found["group"]),
                _octets(found["certificate"], _HASH_OCTETS),
                _octets(found["issuer_key"], _HASH_OCTETS),
            ),
            url=_short(found["url"]),
            nonce=None if nonce is None else _octets(nonce, NONCE_OCTETS),
            fetched_at=_instant(found["fetched_at"]),
            until=_instant(found["until"]),
            response=_octets(found["response"], MAX_RESPONSE_BYTES),
        )
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"a line is no answer: {type(error).__name__}") from None


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str, most: int) -> bytes:
    found = base64.b64decode(text, validate=True)
    if not 1 <= len(found) <= most:
        raise ValueError(f"{len(found)} octets where 1 to {most} belong")
    return found


def _short(text: str) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT:
        raise ValueError("a text is missing or too long")
    return text


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant has no zone")
    return found.astimezone(UTC)
