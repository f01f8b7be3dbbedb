"""Client metadata from a file, and secrets that are shown once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mtlsd.cli.exits import UsageError
from mtlsd.clients.secret import SecretHash, new_secret

_LARGEST = 1 << 20


def metadata_in(path: Path | None, client_id: str) -> dict[str, Any]:
    """The metadata (RFC 7591 section 2) that a JSON file has; none without a file.

    :raises UsageError: where it is no JSON object, or another client's.
    """
    if path is None:
        return {}
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    try:
        metadata = json.loads(data.decode("utf-8")) if len(data) <= _LARGEST else None
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise UsageError(f"{path} is not a JSON object with client metadata (RFC 7591 section 2)")
    if metadata.pop("client_id", client_id) != client_id:
        raise UsageError(f"{path} has another client_id than --client-id")
    return metadata


def make_secret() -> tuple[str, str]:
    """A secret for the client, and the hash to keep of it."""
    secret = new_secret(os.urandom)
    return secret, SecretHash.from_secret(secret, os.urandom).to_string()
