"""Exit codes, and how what went wrong is told: what, where and the remedy, never a traceback."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from mtlsd.errors import ConfigError, Refusal
from mtlsd.stores.interfaces import Conflict, StoreError, UnknownClient

OK = 0
UNEXPECTED = 1
USAGE = 64
UNAVAILABLE = 69
NO_PERMISSION = 77
CONFIGURATION = 78

_NO_PLACE = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)  # where a listener was to be opened; another try may do


@attrs.define
class Ended:
    """How a verb ended."""

    code: int = OK


class UsageError(Exception):
    """The command line asks for something that makes no sense, and why."""


@contextmanager
def explained() -> Iterator[Ended]:
    """Turn what goes wrong into words and an exit code."""
    ended = Ended()
    try:
        yield ended
    except UsageError as error:
        ended.code = _told(error, USAGE)
    except ConfigError as error:
        ended.code = _told(error, CONFIGURATION)
    except (Conflict, UnknownClient) as error:
        ended.code = _told(error, CONFIGURATION)
    except StoreError as error:
        ended.code = _told(error, UNAVAILABLE)
    except Refusal as refusal:
        facts = "".join(f"\n    {name}: {fact}" for name, fact in refusal.facts.items())
        ended.code = _told(f"{refusal}{facts}\n    {refusal.reason.remedy}", UNAVAILABLE)
    except PermissionError as error:
        ended.code = _told(f"{error.filename}: {error.strerror}", NO_PERMISSION)
    except OSError as error:
        code = UNAVAILABLE if error.errno in _NO_PLACE else UNEXPECTED
        ended.code = _told(f"{error.filename or 'mtlsd'}: {error.strerror or error}", code)


def _told(what: object, code: int) -> int:
    print(f"mtlsd: {what}", file=sys.stderr)
    return code
