"""What the examples of resource servers have in common: how they check tokens, by the environment."""

import os

from mtlsd.resource_server.guard import ResourceServer


def by_keys():
    return ResourceServer.with_keys(
        issuer=os.environ["ISSUER"],
        audience=os.environ["AUDIENCE"],
        ca_file=os.environ["ISSUER_CA"],
    )


def by_introspection():
    return ResourceServer.with_introspection(
        issuer=os.environ["ISSUER"],
        audience=os.environ["AUDIENCE"],
        ca_file=os.environ["ISSUER_CA"],
        client_id=os.environ["CLIENT_ID"],
        certificate=os.environ["CERTIFICATE"],
        key=os.environ["KEY"],
    )


resource_server = by_introspection() if "CLIENT_ID" in os.environ else by_keys()
