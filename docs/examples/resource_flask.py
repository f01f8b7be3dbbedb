"""A resource server of Flask, for gunicorn."""

from flask import Flask, request
from protection import resource_server

from mtlsd.resource_server.wsgi import WsgiGuard, verified_token

app = Flask(__name__)


def required_scope(environ):
    return "invoices:read" if environ["REQUEST_METHOD"] in ("GET", "HEAD") else "invoices:write"


app.wsgi_app = WsgiGuard(app.wsgi_app, resource_server, required_scope)


@app.get("/invoices")
def read():
    return f"{verified_token(request.environ).client_id} reads\n"


@app.post("/invoices")
def write():
    return f"{verified_token(request.environ).client_id} writes\n"
