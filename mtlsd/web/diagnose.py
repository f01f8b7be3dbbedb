"""Why a header section is not one: the slow path that names the rule once the fast one has said no."""

from __future__ import annotations

import re
import sys

from mtlsd.errors import Refusal
from mtlsd.web.strict import FIELD_CONTENT, TOKEN, check_version, refuse

_bad_octet = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]").search
_is_field = re.compile(TOKEN + rb"++:" + FIELD_CONTENT + rb"*+").fullmatch
_is_token = re.compile(TOKEN + rb"++").fullmatch


def bad_octet(part: bytes | bytearray, start: int = 0, end: int = sys.maxsize) -> Refusal | None:
    """Find an octet that no header section has, not even one in the making (RFC 9112 sections 2.2 and 5).

    :param start: where to begin, when what lies before is known to be good up to its last octet.
    :param end: what lies behind is not looked at.
    """
    found = _bad_octet(part, start, end)
    if found is None:
        return None
    octet = found[0][:1]
    if octet == b"\n":
        return refuse("RFC 9112 section 2.2", "line feed without carriage return")
    if octet == b"\r":
        return refuse("RFC 9112 section 2.2", "carriage return without line feed")
    return refuse("RFC 9110 section 5.5", f"control character 0x{octet.hex()} in the header section")


def diagnose(head: bytes) -> Refusal:
    """Say what is wrong with a header section up to and with its empty line.

    :param head: a section that the grammar of :mod:`mtlsd.web.http11` does not match.
    """
    wrong = bad_octet(head)
    if wrong is not None:
        return wrong
    request_line, *lines = head[:-4].split(b"\r\n")
    return _of_request_line(request_line) or _of_fields(lines)


def _of_request_line(line: bytes) -> Refusal | None:
    parts = line.split(b" ")
    if len(parts) == 2:
        return refuse("RFC 9112 section 3", "the request line has no version, as in HTTP/0.9")
    if len(parts) != 3 or b"\t" in line:
        return refuse(
            "RFC 9112 section 3", "the request line is not method, target and version with one space between"
        )
    method, target, version = parts
    if not _is_token(method):
        return refuse("RFC 9110 section 9.1", "the method is not a token")
    try:
        check_version(version)
    except Refusal as refusal:
        return refusal
    if not target or max(target) > 0x7E:
        return refuse("RFC 9112 section 3.2", "the request-target is empty or not ASCII")
    return None


def _of_fields(lines: list[bytes]) -> Refusal:
    wrong = next((line for line in lines if not _is_field(line)), b"")
    if wrong.startswith((b" ", b"\t")):
        return refuse("RFC 9112 section 5.2", "a field value is folded over several lines")
    name, colon, _value = wrong.partition(b":")
    if not colon:
        return refuse("RFC 9112 section 5", "a field line has no colon")
    if name.endswith((b" ", b"\t")):
        return refuse("RFC 9112 section 5.1", "whitespace between field name and colon")
    return refuse("RFC 9112 section 5.1", "a field name is not a token")
