"""treq with a client certificate: treq_client.py '{"url": ..., "ca": ..., "cert": ..., ...}'"""

from __future__ import annotations

import json
import sys
from typing import Any

import treq.client
from OpenSSL import crypto
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.task import react
from twisted.web.client import Agent
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

BEGIN = b"-----BEGIN CERTIFICATE-----"


@implementer(IPolicyForHTTPS)
class Policy:
    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        with open(self.told["ca"], "rb") as file:
            trusted = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(file.read())])
        version = ssl.TLSVersion.TLSv1_2 if self.told["version"] == "1.2" else ssl.TLSVersion.TLSv1_3
        # Twisted has no name for exactly one version
        limits = "lowerMaximumSecurityTo" if self.told["version"] == "1.2" else "raiseMinimumTo"
        extra = {limits: version, "extraCertChain": []}
        mine = self._mine(extra) if self.told["cert"] else None
        creator: IOpenSSLClientConnectionCreator = ssl.optionsForClientTLS(
            hostname.decode(), trusted, mine, extraCertificateOptions=extra
        )
        return creator

    def _mine(self, extra: dict[str, Any]) -> ssl.PrivateCertificate:
        with open(self.told["cert"], "rb") as certificate, open(self.told["key"], "rb") as key:
            leaf, *chain = [BEGIN + block for block in certificate.read().split(BEGIN)[1:]]
            extra["extraCertChain"] = [crypto.load_certificate(crypto.FILETYPE_PEM, own) for own in chain]
            mine: ssl.PrivateCertificate = ssl.PrivateCertificate.loadPEM(key.read() + leaf)
            return mine


async def fetch(reactor: Any, told: dict[str, Any]) -> None:
    client = treq.client.HTTPClient(Agent(reactor, contextFactory=Policy(told)))
    headers: dict[bytes | str, bytes | str] = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(told["url"], data=told["body"].encode(), headers=headers, timeout=15)
    sys.stdout.write(f"{answer.code}\n{await answer.text()}")


def main(reactor: Any) -> Deferred[None]:
    return Deferred.fromCoroutine(fetch(reactor, json.loads(sys.argv[1])))


react(main)
