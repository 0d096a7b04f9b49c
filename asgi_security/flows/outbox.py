"""Sends messages behind the back of whoever asked for them.

Whoever asks for the reset of a password must not learn from the time of the answer whether
anything is sent: so nothing is sent before the answer. A message starts a task of its own, which
takes no longer than it may, and whose failure is an event and nothing else. Waiting here for the
delivery and sleeping as long where there is none would hold each request up by the slowest mail
server, and the two would still differ.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.validation import Findings

if TYPE_CHECKING:
    import asyncio

    from asgi_security.events import EventSink
    from asgi_security.flows.sending import Message, Sender

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Start: TypeAlias = Callable[[Job], object]
"""Runs a job beside the caller and returns at once, as `TaskGroup.start_soon` does."""


class Outbox:
    """Starts the delivery of messages.

    Args:
        sender: who delivers.
        timeout_seconds: how long one delivery may take.
        waiting: how many may be under way; a message beyond is dropped, with an event.
        start: runs a job beside the caller. By default it is a task of the running loop, which
            dies with it: `drain` at shutdown waits for those that are under way.
        events: told of what could not be delivered.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        timeout_seconds: float = 30.0,
        waiting: int = 1000,
        start: Start | None = None,
        events: EventSink = log_event,
    ) -> None:
        findings = Findings("Outbox")
        findings.check_number("timeout_seconds", timeout_seconds, minimum=0.01)
        findings.check_number("waiting", waiting, minimum=1, integer=True)
        if not callable(getattr(sender, "send", None)):
            hint = "give an object with `async def send(self, message)`, or ConsoleSender()"
            findings.add("sender", sender, "cannot send: tokens and codes would reach nobody", hint)
        findings.raise_if_any()
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._waiting = waiting
        self._start = start or _Detached().start
        self._events = events
        self._under_way = 0
        self._emptied: anyio.Event | None = None

    def post(self, message: Message | None) -> None:
        """Start the delivery of a message; for None, start what takes as long to start."""
        if self._under_way >= self._waiting:
            self._tell("message_dropped", message)
            return
        self._under_way += 1

        async def deliver() -> None:
            try:
                if message is not None:
                    await self._deliver(message)
            finally:
                self._leave()

        self._start(deliver)

    async def drain(self, *, timeout_seconds: float = 5.0) -> bool:
        """Wait for what is under way; tell whether all of it was over in time."""
        if self._under_way:
            self._emptied = self._emptied or anyio.Event()
            with anyio.move_on_after(timeout_seconds):
                await self._emptied.wait()
        return not self._under_way

    def _leave(self) -> None:
        self._under_way -= 1
        if not self._under_way and self._emptied is not None:
            self._emptied.set()
            self._emptied = None

    async def _deliver(self, message: Message) -> None:
        try:
            with anyio.fail_after(self._timeout_seconds):
                await self._sender.send(message)
        except Exception as error:  # noqa: BLE001 -- a user's sender, and nobody waits for it
            self._tell("message_not_sent", message, error=type(error).__name__)

    def _tell(self, name: str, message: Message | None, **facts: object) -> None:
        if message is not None:
            facts = {"kind": message.kind, "account": message.account, **facts}
        self._events(SecurityEvent(name=name, severity=Severity.ERROR, facts=facts))


class _Detached:
    """Tasks of the running loop, under asyncio and under trio."""

    def __init__(self) -> None:
        # The loop itself keeps weak references only: a task nobody holds may vanish half-way.
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, job: Job) -> None:
        import asyncio  # noqa: PLC0415 -- under trio there may be none

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio  # noqa: PLC0415 -- only who runs it has it

            trio.lowlevel.spawn_system_task(job)
            return
        task = loop.create_task(job())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
