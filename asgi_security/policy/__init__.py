"""Decides: pure configurations and decisions. No clock, no entropy, no I/O, no `async`."""
