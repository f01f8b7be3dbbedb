"""Reverse proxies: configuration that has them forward certificates well, and forgeries that try them."""
