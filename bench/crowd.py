"""Many clients of whom nothing is known yet, each with a certificate of its own: a process of its own.

    python -m bench.crowd PORT CERTIFICATES NAME

Each connects and asks for a token, whatever the answer; then all leave. Their certificates are those in
CERTIFICATES/NAME.pem, of the client NAME. It prints, as JSON, `time.monotonic()` when the first came, when it
had asked, and when the last was answered; and how many got which status.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from bench.load import Load, Steps, ask, client_context, handshake, read_clients, request_of, run_all


@attrs.define(eq=False)
class Crowd:
    """
    :ivar asked: when each had sent its request.
    :ivar answered: when each got an answer.
    """

    load: Load
    request: bytes
    key: ec.EllipticCurvePrivateKey
    connections: list[SSL.Connection] = attrs.field(factory=list)
    asked: list[float] = attrs.field(factory=list)
    answered: list[float] = attrs.field(factory=list)
    statuses: Counter[str] = attrs.field(factory=Counter)

    def one(self, certificate: x509.Certificate) -> Steps:
        """One client, from its coming to the answer."""
        connection = self.load.connect()
        connection.use_certificate(certificate)
        connection.use_privatekey(self.key)
        self.connections.append(connection)
        yield from handshake(connection)
        asking = ask(connection, self.request)
        waits_for = next(asking)  # the request is sent by then
        self.asked.append(time.monotonic())
        yield waits_for
        answer = yield from asking
        self.answered.append(time.monotonic())
        self.statuses[answer[9:12].decode("ascii")] += 1


def main(arguments: list[str]) -> int:
    port, certificates, name = arguments
    os.sched_setscheduler(
        0, os.SCHED_OTHER, os.sched_param(0)
    )  # the client beside it shall not wait for its CPU
    os.nice(5)
    directory = Path(certificates)
    presented, key = read_clients(directory, name)
    request = request_of(f"grant_type=client_credentials&client_id={name}&scope=read")
    crowd = Crowd(Load(client_context(directory), int(port), until=0.0), request, key)
    began = time.monotonic()
    run_all(crowd.one(certificate) for certificate in presented)
    times = {"came": began, "first_asked": crowd.asked[0], "last": crowd.answered[-1]}
    json.dump({**times, "statuses": crowd.statuses}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
