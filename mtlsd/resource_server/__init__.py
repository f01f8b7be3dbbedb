"""Checking access tokens for resource servers: Twisted, WSGI, ASGI and klein (RFC 8705 section 3, RFC 9068).

Importing this package imports nothing; see docs/resource-servers.md for what is in it.
"""
