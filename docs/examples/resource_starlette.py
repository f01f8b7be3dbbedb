"""A resource server of Starlette, for uvicorn."""

from protection import resource_server
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mtlsd.resource_server.asgi import AsgiGuard, verified_token


async def read(request):
    return PlainTextResponse(f"{verified_token(request.scope).client_id} reads\n")


app = AsgiGuard(
    Starlette(routes=[Route("/invoices", read)]),
    resource_server,
    "invoices:read",
)
