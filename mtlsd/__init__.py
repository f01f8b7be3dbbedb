"""mtlsd: an OAuth 2.0 authorization server whose clients authenticate with certificates (RFC 8705)."""

__version__ = "0.1.0"
