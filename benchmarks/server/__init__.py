"""Serves: the same guards behind a real server on the loopback, and what is left of its speed."""
