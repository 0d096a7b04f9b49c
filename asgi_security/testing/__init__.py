"""Rehearses: what a test of an app behind these guards, or of a third-party store, needs."""

from asgi_security.testing.calls import Answered, WebSocketAnswered, call, connect_websocket
from asgi_security.testing.doubles import EventRecorder, FakeClock, SeededEntropy

__all__ = [
    "Answered",
    "EventRecorder",
    "FakeClock",
    "SeededEntropy",
    "WebSocketAnswered",
    "call",
    "connect_websocket",
]
