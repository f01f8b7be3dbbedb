"""Why a request with a forwarded certificate is refused before anybody looks at the certificate.

Each of these is audited as an attack: a proxy that is set up as `mtlsd proxy-config` says never causes one.
"""

from __future__ import annotations

from mtlsd.reasons.making import request

FORWARDED_MALFORMED = request(
    "forwarded.malformed",
    "A field that should hold the forwarded certificate cannot be read.",
    "See that the proxy sends the configured format, and compare with mtlsd proxy-config.",
)
FORWARDED_REPEATED = request(
    "forwarded.repeated",
    "A field that only the proxy may send is there twice.",
    "Have the proxy overwrite the field, not add to it: see mtlsd proxy-config and mtlsd proxy-test.",
)
FORWARDED_SPELLING = request(
    "forwarded.spelling",
    "A field for forwarded certificates is spelt with _ for -.",
    "Somebody tries to get a field past the proxy: have it remove the field.",
)
FORWARDED_UNEXPECTED = request(
    "forwarded.unexpected",
    "A field for forwarded certificates came where none is taken, or it is of another format.",
    "Have the proxy remove it from what clients send: see mtlsd proxy-config and mtlsd proxy-test.",
)
FORWARDED_PROXY = request(
    "forwarded.proxy",
    "The request did not come from the proxy that this listener is for.",
    "Compare how the proxy authenticates itself with the listener's proxy_* keys.",
)
FORWARDED_PROXY_HEADER = request(
    "forwarded.proxy_header",
    "A connection did not begin with a header of the PROXY protocol as it is configured.",
    "Have the proxy send that version, and nobody else connect there: see the listener's proxy_protocol.",
)
