"""Shows every guard at work: a guarded app on a loopback port, walked over real HTTP."""

from asgi_security.demo.running import run_demo

__all__ = ["run_demo"]
