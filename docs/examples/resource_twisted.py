"""A resource server of twisted.web.

python resource_twisted.py PORT server.pem server.key client-ca.pem
"""

import sys
from pathlib import Path

from protection import resource_server
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource
from twisted.web.server import Site

from mtlsd.resource_server.twisted_web import GuardedResource, verified_token


class Invoices(Resource):
    isLeaf = True

    def render_GET(self, request):
        return f"{verified_token(request).client_id} reads\n".encode()


def tls(certificate, key, client_ca):
    own = ssl.PrivateCertificate.loadPEM(Path(certificate).read_text() + Path(key).read_text())
    anchor = ssl.Certificate.loadPEM(Path(client_ca).read_text())
    return ssl.CertificateOptions(
        privateKey=own.privateKey.original,
        certificate=own.original,
        caCerts=[anchor.original],
        verify=True,  # asks for the client's certificate,
        requireCertificate=False,  # and leaves it to the guard to say that there is none
    )


def main(reactor, port, *files):
    guarded = GuardedResource(Invoices(), resource_server, "invoices:read")
    reactor.listenSSL(int(port), Site(guarded), tls(*files), interface="127.0.0.1")
    print("ready", flush=True)
    return Deferred()


if __name__ == "__main__":
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
    react(main, sys.argv[1:])
