"""A resource server of Flask, for gunicorn behind nginx, which forwards the certificates of clients."""

import os

from flask import Flask, request
from protection import resource_server

from mtlsd.forwarded.formats import FORMATS
from mtlsd.resource_server.connection import certificate_of_environ
from mtlsd.resource_server.proxied import ForwardedCertificates, is_pinned
from mtlsd.resource_server.wsgi import WsgiGuard, verified_token

app = Flask(__name__)

behind = ForwardedCertificates(
    FORMATS["nginx"].reader(),
    is_pinned(os.environ["PROXY_CERTIFICATE"], certificate_of=certificate_of_environ),
)
app.wsgi_app = WsgiGuard(app.wsgi_app, resource_server, "invoices:read", behind.of_environ)


@app.get("/invoices")
def read():
    return f"{verified_token(request.environ).client_id} reads\n"
