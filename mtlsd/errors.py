"""What a refusal and a mistake in the configuration are.

A refusal has two faces. Outside there are the registered OAuth error code, or the TLS alert, and a bland
sentence; inside there are a stable reason such as ``subject.mismatch`` and every fact it rests on, for the
audit log and for ``mtlsd explain``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

Fact = str | int | bool | None | Sequence[str]

_THUMBPRINT = "x5t#S256"  # tells the facts of one certificate from those of another


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

    def facts_beside(self, presented: Mapping[str, Fact]) -> dict[str, Fact]:
        """The facts together with those of the certificate that was presented, for one event.

        Where a CA of its path is to blame, what is said of the CA begins with ``ca_``.

        :param presented: empty where the certificate could not be read.
        """
        of_another = self.facts.get(_THUMBPRINT, presented.get(_THUMBPRINT)) != presented.get(_THUMBPRINT)
        clash = presented.keys() if of_another else ()
        own = {f"ca_{name}" if name in clash else name: fact for name, fact in self.facts.items()}
        return {**presented, **own}


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
