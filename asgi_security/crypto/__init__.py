"""Proves: keys, signatures and hashes. No I/O."""
