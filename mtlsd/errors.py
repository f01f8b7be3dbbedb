"""What a refusal and a mistake in the configuration are.

A refusal has two faces. Outside there are the registered OAuth error code, or the TLS alert, and a bland
sentence; inside there are a stable reason such as ``subject.mismatch`` and every fact it rests on, for the
audit log and for ``mtlsd explain``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

Fact = str | int | bool | None | Sequence[str]


@attrs.frozen
class Reason:
    """One stable reason to refuse; every one of them is named in :mod:`mtlsd.reasons`.

    :ivar code: ``area.detail``, never changed once released.
    :ivar error: the OAuth error code that the caller sees.
    :ivar status: the HTTP status that goes with it.
    :ivar verify_error: the X509_V_ERR number that makes OpenSSL send the alert which fits, or 0 where the
        reason cannot come up in a handshake.
    :ivar meaning: what an operator should understand by it.
    :ivar remedy: what usually mends it.
    """

    code: str
    error: str
    status: int
    verify_error: int
    meaning: str
    remedy: str

    def __str__(self) -> str:
        return self.code


@attrs.frozen
class Refusal(Exception):
    """Something is refused, and why.

    :ivar facts: what was expected and what was seen, as values that JSON can hold. Never a secret, a
        private key or a token: it is written to the audit log.
    """

    reason: Reason
    facts: Mapping[str, Fact] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return f"{self.reason.code}: {self.reason.meaning}"


@attrs.frozen
class Mistake:
    """One mistake in the configuration.

    :ivar place: the file, and the key in it: ``mtlsd.toml: listener.mtls.key``.
    :ivar message: what is wrong, in one sentence.
    :ivar remedy: what to do about it.
    :ivar fatal: False for what works today but will not for long, such as a certificate that expires soon.
    """

    place: str
    message: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.message}\n    {self.remedy}"


@attrs.frozen
class ConfigError(Exception):
    """The configuration has mistakes: all of them at once."""

    mistakes: tuple[Mistake, ...]

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)
