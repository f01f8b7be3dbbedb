"""What stands above the configuration of a proxy, as a comment: where it belongs, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from mtlsd.cli.proxies.programs import Program
from mtlsd.cli.proxies.wanted import Wanted


def heading(command: str, program: Program, wanted: Wanted) -> str:
    """The comment, without a line feed at its end.

    :param command: the name that the command takes for the proxy.
    """
    place = program.place if wanted.fields else program.tcp_place
    lines = [
        f"mtlsd behind {program.title}, for the listener {wanted.listener}; by mtlsd proxy-config {command}."
    ]
    lines.append(place)
    if wanted.upstream.socket is None and wanted.upstream.port is None:
        lines.append("PORT is where mtlsd's socket unit listens, which its configuration does not tell.")
    lines += ["", *(_forwarding if wanted.fields else _passing)(program, wanted)]
    return "\n".join(f"# {line}".rstrip() for part in lines for line in part.split("\n"))


def _passing(program: Program, wanted: Wanted) -> Iterator[str]:
    version = wanted.proxy_protocol
    yield "TLS goes through unopened, and mtlsd sees the client's certificate itself. Before it comes the"
    yield f"client's address, in version {version} of the PROXY protocol. mtlsd believes that from the"
    yield f"addresses alone in proxy_protocol.proxies: that of {program.title} has to be among them."


def _forwarding(program: Program, wanted: Wanted) -> Iterator[str]:
    yield from _files(program, wanted)
    yield from _credentials(program, wanted)
    if wanted.proxy_users:
        users = " or ".join(wanted.proxy_users)
        yield f"Its workers have to run as {users}, and need the right to open {wanted.upstream.socket}."
    if wanted.form not in program.chain:
        yield ""
        yield "Intermediates that clients send are not forwarded: those that they need belong into"
        yield f"`intermediates` of [[trust_anchors]]. There are now: {_counted(wanted)}."


def _files(program: Program, wanted: Wanted) -> Iterator[str]:
    rows = [(program.pairs[0], f"for {wanted.host}, as clients see it: the leaf first")]
    if wanted.anchors and (wanted.names_cas or program.needs_anchors):
        rows.append(("trust-anchors.pem", f"of clients: cat {' '.join(wanted.anchors)}"))
    if wanted.upstream.name is not None:
        rows.append(("mtlsd-ca.pem", f"the CA that has issued mtlsd's {wanted.upstream.certificate}"))
    if wanted.proxy_certificate is not None:
        rows.append((program.pairs[1], f"the proxy's own: {wanted.proxy_certificate}"))
    width = max(len(file) for file, _ in rows)
    yield f"In {program.files}/ there have to be:"
    yield from (f"  {file:{width}}  {what}" for file, what in rows)


def _credentials(program: Program, wanted: Wanted) -> Iterator[str]:
    if wanted.credentials is None:
        return
    if program.credentials is None:
        where = "" if program.environment is None else f" (on Debian: {program.environment})"
        yield f"and in the environment of {program.title}{where}, which others must not be able"
        yield "to read, and which a restart reads, but no reload,"
        yield "  MTLSD_PROXY_CREDENTIALS=..."
    else:
        file, line = program.credentials
        yield f"  {file}, which others cannot read, with the line"
        yield f"    {line}"
    yield f"where ... is what this prints: tr -d '\\n' < {wanted.credentials} | base64 -w0"


def _counted(wanted: Wanted) -> str:
    counts = (f"{count} of {group}" for group, count in wanted.intermediates.items())
    return ", ".join(counts) or "none"
