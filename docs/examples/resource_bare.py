"""A resource server of http.server and nothing else.

python resource_bare.py PORT server.pem server.key client-ca.pem
"""

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from protection import resource_server

from mtlsd.resource_server.values import RefusedToken


def refusal(authorization, certificate):
    verdict = resource_server.check(authorization, lambda: certificate, "invoices:read")
    if isinstance(verdict, RefusedToken):
        return resource_server.answer(verdict)
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        authorization = self.headers.get_all("Authorization", [])
        refused = refusal(authorization, self.connection.getpeercert(True))
        if refused is not None:
            self.respond(refused.status, refused.headers, refused.body)
        else:
            self.respond(200, [("Content-Length", "9")], b"invoices\n")

    def respond(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main(port, certificate, key, client_ca):
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
