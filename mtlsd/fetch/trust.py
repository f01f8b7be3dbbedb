"""Which certificates servers may show (RFC 9525 by service-identity, RFC 5280 by OpenSSL)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Self

import attrs
from OpenSSL.SSL import Context

# Twisted has no public name for what a trust root implements.
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from zope.interface import implementer

_MOST_HOSTS: Final = 16
_Make = Callable[[str], IOpenSSLClientConnectionCreator]


@attrs.define(eq=False)
class Trust:
    """TLS contexts for outgoing connections: TLS 1.2 and 1.3, and the server's name is always verified.

    A context is kept for each of a few hosts: reading the system's trust store takes 7 ms, and a megabyte or
    so of memory. Anchors that have changed need a new one of these.
    """

    _make: _Make
    _creators: dict[str, IOpenSSLClientConnectionCreator] = attrs.field(factory=dict, init=False)

    @classmethod
    def system(cls, besides: Iterable[bytes] = ()) -> Self:
        """What OpenSSL trusts on this machine, and beside it these, as DER."""
        certificates = [Certificate.load(der) for der in besides]
        more = (trustRootFromCertificates(certificates),) if certificates else ()
        return cls(partial(optionsForClientTLS, trustRoot=_Together((platformTrust(), *more))))

    @classmethod
    def from_der(cls, anchors: Iterable[bytes]) -> Self:
        """These anchors and no others."""
        root = trustRootFromCertificates([Certificate.load(der) for der in anchors])
        return cls(partial(optionsForClientTLS, trustRoot=root))

    def creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        """What makes connections to that host, a DNS name or an address."""
        found = self._creators.get(host)
        if found is None:
            if len(self._creators) >= _MOST_HOSTS:
                del self._creators[next(iter(self._creators))]
            found = self._creators[host] = self._make(host)
        return found


@implementer(IOpenSSLTrustRoot)
@attrs.frozen
class _Together:
    """Several trust roots as one."""

    roots: tuple[IOpenSSLTrustRoot, ...]

    def _addCACertsToContext(self, context: Context) -> None:
        for root in self.roots:
            root._addCACertsToContext(context)
