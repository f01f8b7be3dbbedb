"""The configuration of a proxy, as text."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from mtlsd.cli.exits import UsageError
from mtlsd.cli.proxies.heading import heading
from mtlsd.cli.proxies.programs import PROGRAMS, Program
from mtlsd.cli.proxies.wanted import Wanted


def snippet(command: str, wanted: Wanted) -> str:
    """What the proxy is to be configured with.

    :param command: the proxy's name in :data:`PROGRAMS`.
    :raises UsageError: where this proxy cannot do what the configuration wants, and what could.
    """
    program = PROGRAMS[command]
    _check(program, wanted)
    environment = Environment(
        loader=PackageLoader("mtlsd.cli.proxies"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # proxies' configuration, and no HTML
    )
    kind = "" if wanted.fields else "-passthrough"
    template = environment.get_template(f"{command}{kind}.j2")
    name = f"mtlsd-{wanted.listener}"  # several listeners may be behind one proxy
    told = heading(command, program, wanted)
    return template.render(wanted=wanted, files=program.files, heading=told, name=name)


def _check(program: Program, wanted: Wanted) -> None:
    if wanted.form == "proxy-v2":
        raise UsageError(
            f'{program.title} does not send the client\'s certificate in format = "proxy-v2"; ghostunnel does'
        )
    if wanted.upstream.socket is not None and not program.connects_to_sockets:
        raise UsageError(f"{program.title} does not connect to UNIX sockets: have mtlsd listen on TCP")
    (_check_forwarding if wanted.fields else _check_passthrough)(program, wanted)


def _check_forwarding(program: Program, wanted: Wanted) -> None:
    if wanted.form not in program.formats:
        fitting = " or ".join(map(_as_keys, program.formats))
        others = [own.title for own in PROGRAMS.values() if wanted.form in own.formats]
        there = f"; {' and '.join(others)} can" if others else ""
        raise UsageError(
            f"{program.title} cannot send {_as_keys(wanted.form or '')}{there}. "
            f"With {program.title} take {fitting}"
        )
    for only, chosen in (
        (program.only_field, wanted.fields[0]),
        (program.only_address, wanted.client_address),
    ):
        if only is not None and only.lower() != chosen.lower():
            raise UsageError(f"{program.title} sends {only}, and cannot send it as {chosen}")
    if wanted.proxy_protocol is not None and not program.sends_both:
        raise UsageError(f"{program.title} sends no PROXY header before requests: remove proxy_protocol")


def _check_passthrough(program: Program, wanted: Wanted) -> None:
    if wanted.proxy_protocol not in program.passthrough:
        can = " and ".join(map(str, program.passthrough))
        what = f"only version {can}" if can else "none as Debian has it"
        raise UsageError(
            f"the listener wants TLS passed through with PROXY headers of version {wanted.proxy_protocol}, "
            f"and {program.title} sends {what}"
        )


def _as_keys(form: str) -> str:
    """As it stands in the configuration."""
    name, _, encoding = form.partition(" ")
    return f'format = "{name}"' + (f', encoding = "{encoding}"' if encoding else "")
