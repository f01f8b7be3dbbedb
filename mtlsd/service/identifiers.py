"""What nobody can guess."""

from __future__ import annotations

import os

from mtlsd.jose import b64


def random_id() -> str:
    """128 bits, base64url: for `jti` and correlation ids."""
    return b64.encode_text(os.urandom(16))


def random_secret() -> str:
    """256 bits, base64url: for codes, refresh tokens and what else is worth something to whoever has it."""
    return b64.encode_text(os.urandom(32))
