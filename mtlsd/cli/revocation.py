"""`mtlsd revocation`: how the sources of revocation fare."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from mtlsd.cache.files import CacheDirectory
from mtlsd.cli.common import add_config, add_json, load_config, print_json
from mtlsd.cli.exits import OK
from mtlsd.cli.revocation_table import print_rows, state_of
from mtlsd.cli.terminal import span
from mtlsd.config.lists import FROM_CERTIFICATE
from mtlsd.config.model import Config
from mtlsd.ops.audit import utc_now
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.printable import printable
from mtlsd.pki.revocation import RevocationPolicy, Source
from mtlsd.revocation.offline import OfflineKnowledge
from mtlsd.revocation.status_file import NAME, Row, StatusFile, rows_of


@attrs.frozen
class Report:
    """What there is to say.

    :ivar written: by a daemon; None where none has ever written, or where it cannot be read.
    :ivar running: whether that daemon still runs. Where it does not, the rows are what files and cache tell.
    :ivar unreadable: why the daemon's word cannot be read.
    :ivar unchecked: the groups whose certificates nobody checks.
    """

    written: StatusFile | None
    running: bool
    unreadable: str | None
    rows: tuple[Row, ...]
    unchecked: tuple[str, ...]


def register(verbs: Any) -> None:
    parser = verbs.add_parser("revocation", help="see who tells whether certificates are revoked")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="every source: its last good answer, its next one, its error")
    add_config(status)
    add_json(status)
    status.set_defaults(do=_status)


def _status(arguments: argparse.Namespace) -> int:
    config, now = load_config(arguments.config), utc_now()
    report = report_of(config, now)
    if arguments.json:
        print_json(_document(report, now))
    else:
        print(_heading(report, now))
        print_rows(report.rows, report.unchecked, now)
    return OK


def report_of(config: Config, now: datetime) -> Report:
    """What a running daemon says, or else what its files and its cache tell."""
    written, unreadable = _written(config)
    running = written is not None and _is_running(written.pid)
    rows = written.rows if written is not None and running else _offline(config, now)
    rows = (*rows, *_silent(config.groups, rows))
    order = [group.name for group in config.groups]
    known = [own for own in rows if own.group in order]
    unchecked = tuple(group.name for group in config.groups if group.revocation is None)
    ordered = sorted(known, key=lambda own: (order.index(own.group), own.kind))
    return Report(written, running, unreadable, tuple(ordered), unchecked)


def _written(config: Config) -> tuple[StatusFile | None, str | None]:
    """What the daemon has written, or why that cannot be read."""
    try:
        data = CacheDirectory(config.fetch.cache).read(NAME)
        return (None if data is None else StatusFile.from_bytes(data)), None
    except OSError as error:
        return None, printable(error.strerror or str(error))
    except ValueError as error:
        return None, printable(str(error))


def _offline(config: Config, now: datetime) -> tuple[Row, ...]:
    known = OfflineKnowledge.read(config.groups, config.fetch.cache, False, now)
    return tuple(attrs.evolve(row, next_try=None) for row in rows_of(known.status()))


def _silent(groups: Sequence[AnchorGroup], rows: Sequence[Row]) -> Iterator[Row]:
    """Sources of which nobody has said anything yet: just configured, or to be named by certificates."""
    there = {(own.group, own.kind) for own in rows}
    for group in groups:
        if group.revocation is None:
            continue
        for kind in group.revocation.order:
            if (group.name, kind) not in there:
                yield from (Row(group.name, kind, own) for own in _configured(group.revocation, kind))


def _configured(policy: RevocationPolicy, kind: Source) -> tuple[str, ...]:
    """As the operator has written them; files as the paths that they stand for."""
    if kind == "ocsp":
        return (policy.ocsp_url or FROM_CERTIFICATE,)
    named = (*policy.crl_files, *policy.crl_urls)
    return (*named, FROM_CERTIFICATE) if policy.crl_from_certificate else named


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0


def _heading(report: Report, now: datetime) -> str:
    if report.unreadable is not None:
        return f"The daemon's word cannot be read ({report.unreadable}). From files and cache:"
    if report.written is None:
        return "No daemon has written anything yet. From files and cache:"
    said = f"daemon {report.written.pid}, {span(now - report.written.written_at)} ago"
    return f"By {said}:" if report.running else f"Not running any more: {said}. From files and cache:"


def _document(report: Report, now: datetime) -> dict[str, Any]:
    daemon: dict[str, Any] | None = None
    if report.written is not None:
        age = int((now - report.written.written_at).total_seconds())
        written_at = report.written.written_at.isoformat()
        daemon = {"pid": report.written.pid, "running": report.running}
        daemon |= {"written_at": written_at, "age_seconds": age}
    return {
        "daemon": daemon,
        "sources": [{**own.to_document(), "standing": state_of(own, now)[0]} for own in report.rows],
        "unchecked": list(report.unchecked),
    }
