"""Responses that must be taken."""

from __future__ import annotations

from datetime import timedelta

import attrs

from tests.der import (
    extension,
)
from tests.ocsp_responses.kinds import (
    Responder,
    changed,
    delegated,
    honest,
    single_changed,
)
from tests.ocsp_responses.writing import (
    DAY,
    UNKNOWN,
    UNKNOWN_EXTENSION,
    Asked,
    by_key,
    by_name,
    revoked,
    time,
)
from tests.pki.maker import (
    rsa_key,
)

# -- honest --------------------------------------------------------------------------------------------------


@honest()
def issuer_by_name(responder: Responder, asked: Asked) -> bytes:
    """Signed by the CA itself, which gives its name."""
    return changed(responder, asked)


@honest()
def issuer_by_key(responder: Responder, asked: Asked) -> bytes:
    """Signed by the CA itself, which gives its key, and sends its certificate along."""
    der = responder.issuer.der
    return changed(responder, asked, responder_id=by_key(der), certificates=(der,))


@honest()
def delegate_by_key(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate with nocheck."""
    return delegated(responder, asked, responder.delegate())


@honest()
def delegate_by_name(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate that gives its name, with RSA, among other certificates."""
    own = responder.delegate(key=rsa_key("ocsp delegate"))
    certificates = (responder.certificate, own.der)
    return delegated(responder, asked, own, responder_id=by_name(own.der), certificates=certificates)


@honest()
def delegate_pss(responder: Responder, asked: Asked) -> bytes:
    """Signed with RSASSA-PSS."""
    own = responder.delegate(key=rsa_key("ocsp delegate"))
    return delegated(responder, asked, own, hash_name="pss")


@honest()
def without_nonce(responder: Responder, asked: Asked) -> bytes:
    """Signed beforehand: it repeats no nonce (R43)."""
    return changed(responder, asked, extensions=())


@honest()
def several(responder: Responder, asked: Asked) -> bytes:
    """Says something about other certificates too."""
    reply = responder.reply(asked)
    others = [
        attrs.evolve(reply.singles[0], cert_id=attrs.evolve(asked, serial=serial).cert_id, status=UNKNOWN)
        for serial in range(1, 20)
    ]
    return attrs.evolve(reply, singles=(*others, *reply.singles)).to_der()


@honest()
def archive_cutoff(responder: Responder, asked: Asked) -> bytes:
    """Has extensions that are known, and one that is not but is not critical either."""
    cutoff = extension("1.3.6.1.5.5.7.48.1.6", time(responder.now - 400 * DAY))
    return single_changed(responder, asked, extensions=(cutoff, extension(UNKNOWN_EXTENSION, b"\5\0")))


@honest()
def just_now_without_next_update(responder: Responder, asked: Asked) -> bytes:
    """Has no nextUpdate, and is fresh."""
    return single_changed(responder, asked, this_update=responder.now, next_update=None)


@honest()
def clock_a_little_ahead(responder: Responder, asked: Asked) -> bytes:
    """Comes from a clock that is half a minute ahead."""
    ahead = responder.now + timedelta(seconds=30)
    reply = responder.reply(asked)
    single = attrs.evolve(reply.singles[0], this_update=ahead)
    return attrs.evolve(reply, produced_at=ahead, singles=(single,)).to_der()


@honest("revoked")
def revoked_(responder: Responder, asked: Asked) -> bytes:
    """Revoked a day ago for keyCompromise."""
    return single_changed(responder, asked, status=revoked(responder.now - DAY, 1))


@honest("revoked")
def revoked_without_reason(responder: Responder, asked: Asked) -> bytes:
    """Revoked, nobody says why."""
    return single_changed(responder, asked, status=revoked(responder.now - DAY))


@honest("revoked")
def on_hold(responder: Responder, asked: Asked) -> bytes:
    """Revoked for now."""
    return single_changed(responder, asked, status=revoked(responder.now - DAY, 6))


@honest("revoked")
def revoked_for_no_known_reason(responder: Responder, asked: Asked) -> bytes:
    """Revoked for a reason that does not exist."""
    return single_changed(responder, asked, status=revoked(responder.now - DAY, 77))


@honest("unknown")
def unknown(responder: Responder, asked: Asked) -> bytes:
    """The responder does not know the certificate."""
    return single_changed(responder, asked, status=UNKNOWN)
