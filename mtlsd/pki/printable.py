"""Making text from strangers safe to print."""

from __future__ import annotations


def printable(text: str, special: str = "\\") -> str:
    r"""`text` with every character that does not print as ``\hh``, an octet of its UTF-8 each.

    So neither CR LF nor bidirectional controls can forge a line, and different texts stay different.

    :param special: the characters that get a backslash before them.
    """
    if text.isascii() and text.isprintable() and not any(character in text for character in special):
        return text
    return "".join(_escaped(character, special) for character in text)


def _escaped(character: str, special: str) -> str:
    if character in special:
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))
