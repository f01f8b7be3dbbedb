"""The private names that this package needs of pyOpenSSL and of cryptography's binding, all in one place.

pyOpenSSL's own verify callback can say yes or no, but not why: a refusal becomes the alert
``internal_error``, an exception becomes no alert at all, and a yes wipes out what OpenSSL had found. So the
callback is ours, and what it needs has no public name. :func:`moved_names` says what a release has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

from OpenSSL import crypto
from OpenSSL._util import ffi, lib
from OpenSSL.SSL import Connection, Context

StoreContext = NewType("StoreContext", object)
"""OpenSSL's X509_STORE_CTX: one verification under way. Good only inside the callback that received it."""

Verify = Callable[[Connection, bool, StoreContext], bool]
"""Told whether the certificate at hand is good so far, it says whether to go on."""

_SHA256 = lib.EVP_get_digestbyname(b"sha256")

UNSPECIFIED = 1  # X509_V_ERR_UNSPECIFIED -> internal_error

_LIBRARY_NAMES = (
    "BIO_free",
    "BIO_get_mem_data",
    "BIO_new",
    "BIO_s_mem",
    "ERR_clear_error",
    "EVP_get_digestbyname",
    "SSL_CTX_set_verify",
    "SSL_get_ex_data_X509_STORE_CTX_idx",
    "X509_STORE_CTX_get0_cert",
    "X509_STORE_CTX_get1_chain",
    "X509_STORE_CTX_get_current_cert",
    "X509_STORE_CTX_get_error",
    "X509_STORE_CTX_get_error_depth",
    "X509_STORE_CTX_get_ex_data",
    "X509_STORE_CTX_set_error",
    "X509_digest",
    "X509_free",
    "i2d_X509_bio",
    "sk_X509_free",
    "sk_X509_num",
    "sk_X509_value",
)


def moved_names() -> tuple[str, ...]:
    """The private names that the installed releases lack. Without them no certificate can be judged."""
    moved = [f"OpenSSL._util.lib.{name}" for name in _LIBRARY_NAMES if not hasattr(lib, name)]
    if not hasattr(Connection, "_reverse_mapping"):
        moved.append("OpenSSL.SSL.Connection._reverse_mapping")
    if not hasattr(Context(_ANY_METHOD), "_context"):
        moved.append("OpenSSL.SSL.Context._context")
    return tuple(moved)


_ANY_METHOD = 7  # OpenSSL.SSL.TLS_METHOD


def install(context: Context, mode: int, verify: Verify) -> object:
    """Have OpenSSL ask `verify` about the peer's certificates.

    It is asked at every error, and for the leaf where all is good. Whatever it raises refuses the handshake
    with the alert internal_error, and is lost.

    :param mode: VERIFY_PEER, with VERIFY_FAIL_IF_NO_PEER_CERT or without.
    :return: what must live for as long as the context or any of its connections.
    """
    index = lib.SSL_get_ex_data_X509_STORE_CTX_idx()
    connections = Connection._reverse_mapping

    def callback(ok: int, store: StoreContext) -> int:
        if ok == 1 and lib.X509_STORE_CTX_get_error_depth(store) > 0:
            return 1  # a CA that is good so far: what counts is the leaf's call, and what comes after it
        try:
            ssl = lib.X509_STORE_CTX_get_ex_data(store, index)
            go_on = verify(connections[ssl], ok == 1, store)
        except BaseException:  # nothing may go on after this, and nothing can be raised through OpenSSL
            set_error(store, UNSPECIFIED)
            return 0
        if go_on:
            # OpenSSL 3 takes what is left in its queue for the connection's own error once it has to wait.
            lib.ERR_clear_error()
        return int(go_on)

    handle: object = ffi.callback("int (*)(int, X509_STORE_CTX *)", callback, error=0)
    lib.SSL_CTX_set_verify(context._context, mode, handle)
    return handle


def depth_of(store: StoreContext) -> int:
    """Which certificate of the path is at hand: 0 is the leaf."""
    return int(lib.X509_STORE_CTX_get_error_depth(store))


def error_of(store: StoreContext) -> int:
    """The X509_V_ERR number. It means something only where OpenSSL says that the certificate is not good."""
    return int(lib.X509_STORE_CTX_get_error(store))


def set_error(store: StoreContext, verify_error: int) -> None:
    """Choose the alert that a refusal sends, by the X509_V_ERR number that OpenSSL maps to it."""
    lib.X509_STORE_CTX_set_error(store, verify_error)


def leaf_of(store: StoreContext) -> bytes:
    """DER of the certificate that is to be verified."""
    return _der(lib.X509_STORE_CTX_get0_cert(store))


def current_of(store: StoreContext) -> bytes | None:
    """DER of the certificate at hand; OpenSSL has none for some errors."""
    x509 = lib.X509_STORE_CTX_get_current_cert(store)
    return None if x509 == ffi.NULL else _der(x509)


def path_of(store: StoreContext) -> tuple[bytes, ...]:
    """DER of the path as far as it is built, leaf first. After an error it need not end in an anchor."""
    return _from_path(store, _der)


def path_sha256s_of(store: StoreContext) -> tuple[bytes, ...]:
    """SHA-256 of each DER of :func:`path_of`, which is had without encoding anything."""
    return _from_path(store, _sha256)


def _from_path(store: StoreContext, take: Callable[[object], bytes]) -> tuple[bytes, ...]:
    stack = lib.X509_STORE_CTX_get1_chain(store)
    if stack == ffi.NULL:
        return ()
    path = [lib.sk_X509_value(stack, at) for at in range(lib.sk_X509_num(stack))]
    try:
        return tuple(map(take, path))
    finally:
        for x509 in path:
            lib.X509_free(x509)
        lib.sk_X509_free(stack)


def chain_as_sent(connection: Connection) -> tuple[bytes, ...]:
    """DER of what the peer sent beside its leaf. OpenSSL has it only once the handshake has completed."""
    sent = connection.get_peer_cert_chain() or ()
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, x509) for x509 in sent)


def _sha256(x509: object) -> bytes:
    digest = ffi.new("unsigned char[32]")
    if lib.X509_digest(x509, _SHA256, digest, ffi.NULL) != 1:
        raise MemoryError("OpenSSL could not hash a certificate")
    return bytes(ffi.buffer(digest))


def _der(x509: object) -> bytes:
    bio = lib.BIO_new(lib.BIO_s_mem())
    try:
        if bio == ffi.NULL or lib.i2d_X509_bio(bio, x509) != 1:
            raise MemoryError("OpenSSL could not encode a certificate")
        data = ffi.new("char **")
        size = lib.BIO_get_mem_data(bio, data)
        return bytes(ffi.buffer(data[0], size))
    finally:
        lib.BIO_free(bio)
