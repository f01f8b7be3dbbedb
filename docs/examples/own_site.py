"""mtlsd's token endpoint in a Site of one's own, beside a resource that knows its clients.

python own_site.py mtlsd.toml PORT SECONDS
"""

import sys

from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater, react
from twisted.web.resource import Resource
from twisted.web.server import Site

import mtlsd
from mtlsd.judge import Identity
from mtlsd.keys.files import load_or_create
from mtlsd.ops.audit import AuditLog, utc_now
from mtlsd.service import assembly
from mtlsd.service.background import Background
from mtlsd.service.front import prepare_tls
from mtlsd.service.identifiers import random_id
from mtlsd.service.snapshot import snapshot
from mtlsd.tls.factory import ConnectionCreator, TLSServerFactory
from mtlsd.tls.limits import ConnectionLimits
from mtlsd.tls.peer import peer_of
from mtlsd.web.resources import Token
from mtlsd.web.serving import Current


class WhoAmI(Resource):
    """Tells clients by which client_id their certificate is registered."""

    isLeaf = True

    def __init__(self, current):
        super().__init__()
        self.current = current

    def render_GET(self, request):
        peer = peer_of(request.transport)
        found = peer.judgement_at(self.current.serving.judge, self.current.now())
        if not isinstance(found, Identity):  # refused, or without certificate
            request.setResponseCode(401)
            return b"nobody\n"
        return ", ".join(found.clients).encode() + b"\n"


async def main(reactor, config_file, port, seconds):
    config = mtlsd.load_config(config_file).config
    listener = next(own for own in config.listeners if "token" in own.serves)
    audit = AuditLog(sys.stdout.buffer.write, utc_now)

    keyring = load_or_create(config.tokens.signing_keys, config.tokens.signing_algorithm, utc_now())
    clients = config.registrations  # those of the files alone
    background = await Background.open(config, clients, reactor, audit.event)  # lists and answers, kept live
    background.adopt(lambda: None)
    known = background.knowledge
    clients_and_trust = snapshot(config, stored=(), revocation=known)
    serving = assembly.serving(config, clients_and_trust, keyring, utc_now(), known.resolve)
    current = Current(serving, audit.event, utc_now, random_id)

    site = Site(Resource(), timeout=30)  # it bounds the handshake as well
    site.resource.putChild(b"token", Token(current))
    site.resource.putChild(b"whoami", WhoAmI(current))

    def refused(peer, refusal):
        audit.event("handshake.refused", {"reason": refusal.reason.code, "address": peer.address})

    prepared = prepare_tls(listener, serving.judge, None, utc_now)
    creator = ConnectionCreator(listener.name, prepared.context, prepared.judge)
    tls = TLSServerFactory(creator, site, reactor, ConnectionLimits(), refused)
    await serverFromString(reactor, f"tcp:{port}:interface=127.0.0.1").listen(tls)
    print("ready", flush=True)
    await deferLater(reactor, float(seconds))
    await background.leave()


if __name__ == "__main__":
    react(main, sys.argv[1:])
