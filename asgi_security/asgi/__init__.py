"""Speaks: everything that knows the ASGI wire, once, for all features."""
