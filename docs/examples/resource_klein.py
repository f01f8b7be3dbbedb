"""A resource server of klein.

python resource_klein.py PORT server.pem server.key client-ca.pem
"""

import sys

from klein import Klein
from protection import resource_server
from resource_twisted import tls
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.server import Site

from mtlsd.resource_server.klein import guard
from mtlsd.resource_server.twisted_web import verified_token

app = Klein()
guarded = guard(resource_server)


@app.route("/invoices", methods=["GET"])
@guarded("invoices:read")
def read(request):
    return f"{verified_token(request).client_id} reads\n"


@app.route("/invoices", methods=["POST"])
@guarded("invoices:write")
def write(request):
    return f"{verified_token(request).client_id} writes\n"


def main(reactor, port, *files):
    reactor.listenSSL(int(port), Site(app.resource()), tls(*files), interface="127.0.0.1")
    print("ready", flush=True)
    return Deferred()


if __name__ == "__main__":
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
    react(main, sys.argv[1:])
