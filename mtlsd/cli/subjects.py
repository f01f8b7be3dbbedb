"""From a client's certificate to what is registered of it: a name and who vouches for it, or a pin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from mtlsd.cli.exits import UsageError
from mtlsd.config.model import Config
from mtlsd.config.pem import certificates_in
from mtlsd.errors import Refusal
from mtlsd.ops.audit import utc_now
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import PathValidator

_MEMBERS = {
    "dns": "tls_client_auth_san_dns",
    "uri": "tls_client_auth_san_uri",
    "ip": "tls_client_auth_san_ip",
    "email": "tls_client_auth_san_email",
}


@attrs.frozen
class Names:
    """What to register of certificates.

    :ivar subject: the metadata member and its value; empty for pins.
    :ivar groups: the anchor groups whose own store finds a path.
    :ivar pins: DER of the certificates to pin.
    """

    subject: dict[str, str] = attrs.field(factory=dict)
    groups: list[str] = attrs.field(factory=list)
    pins: list[bytes] = attrs.field(factory=list)


def names_in(files: Sequence[Path], by: str | None, pin: bool, config: Config) -> Names:
    """
    :param files: PEM files; of each the first certificate is the client's, the others are intermediates.
    :param by: the kind of name to take; None for the subject, or the first SAN where the subject is empty.
    :param pin: whether to pin a certificate although a CA has issued it.
    :raises ConfigError: where a file has no certificate.
    :raises UsageError: where there is nothing to register.
    """
    chains = [certificates_in(path) for path in files]
    leaves = [chain[0] for chain in chains]
    if pin or all(leaf.self_signed for leaf in leaves):
        return Names(pins=[leaf.der for leaf in leaves])
    if len(leaves) > 1:
        raise UsageError("several certificates can only be pinned: add --pin, or give one")
    return Names(subject=_subject(leaves[0], by), groups=_groups(chains[0], config))


def _subject(leaf: Certificate, by: str | None) -> dict[str, str]:
    if by in (None, "dn") and leaf.subject.key is not None:
        return {"tls_client_auth_subject_dn": leaf.subject.to_string()}
    for name in leaf.subject_alt_names:
        if by in (None, name.kind) and name.key is not None:
            return {_MEMBERS[name.kind]: name.value}
    raise UsageError(
        f"the certificate has no {by or 'usable'} name: choose another kind with --by, or --pin it"
    )


def _groups(chain: Sequence[Certificate], config: Config) -> list[str]:
    refusals = []
    for group in config.groups:
        try:
            validator = PathValidator.from_groups((group,), strict=False)
            validator.build(chain[0].der, [own.der for own in chain[1:]], utc_now())
            return [group.name]
        except Refusal as refusal:
            refusals.append(f"{group.name}: {refusal}")
    said = "\n    ".join(refusals) or "no trust anchor group is configured"
    raise UsageError(f"no trust anchor group vouches for the certificate\n    {said}\n    Or --pin it.")
