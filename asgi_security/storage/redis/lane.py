"""One connection of one event loop, on which the commands of all tasks travel together.

What is asked for in one turn of the loop leaves in one write, without waiting for earlier replies.
Redis answers a connection's commands in their order, so replies are matched by counting; one that
cannot be read leaves no way to match the rest, and the connection is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from asgi_security.storage.redis.commands import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio.connection import AbstractConnection

    from asgi_security.storage.redis.commands import Command

MOST_AT_ONCE = 256
"""Commands in one write: the first of thousands need not wait for the last."""


class Call:
    """A command under way, and the future of whoever waits for its reply.

    The future's result is the reply, or the error in its place: an exception set on a future whose
    waiter was cancelled would be reported as never retrieved. A cancelled call that was sent keeps
    its place in the line, since its reply will come.
    """

    __slots__ = ("command", "deadline", "future", "packed", "repeated", "reply", "wait")

    def __init__(self, command: Command, deadline: float) -> None:
        self.command = command
        self.packed = pack(command.parts)
        self.deadline = deadline
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.repeated = False
        self.wait: Wait | None = None
        """What, sent behind it, decides what its reply is worth."""
        self.reply: Any = None

    def resolve(self, reply: object) -> None:
        """Hand over the reply or the error."""
        if not self.future.done():
            self.future.set_result(reply)


class Wait:
    """The replicas' confirmation of all writes of a batch."""

    __slots__ = ("calls", "deadline")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.deadline = calls[0].deadline


class Lane:
    """Sends calls and hands out their replies, each within its deadline.

    A connection is made when there is something to send. When it is lost, calls that are repeatable
    travel once more on the next; all others get the error.

    `wait` is a count of replicas and a bound in milliseconds: a write is answered once so many have
    confirmed it, else it gets an error, though it stands.
    """

    def __init__(
        self,
        make_connection: Callable[[], AbstractConnection],
        *,
        wait: tuple[int, int] | None = None,
    ) -> None:
        self._make_connection = make_connection
        self._wait = wait
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Call] = deque()
        self._sent: deque[Call | Wait] = deque()
        self._connection: AbstractConnection | None = None
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, call: Call) -> None:
        """Take a call into the queue."""
        self._queue.append(call)
        if self._sender is None or self._sender.done():
            self._sender = self._start(self._send_all())
        else:
            self._wake()
        if self._timer is None:
            self._timer = self._loop.call_at(call.deadline, self._expire)

    def distrust(self) -> None:
        """Give the connection up, because a reply was not what its command answers."""
        if self._connection is not None:
            self._lose(self._connection, ConnectionError("replies out of step"))

    async def aclose(self) -> None:
        """End both tasks and the connection; calls under way get an error."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        closed = ConnectionError("the store was closed")
        self._connection = None
        _fail(self._sent, closed)
        _fail(self._queue, closed)
        self._sent.clear()
        self._queue.clear()

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _send_all(self) -> None:
        while True:
            if not self._queue:
                self._idle = self._loop.create_future()
                await self._idle
                continue
            if self._connection is None:
                await self._connect()
            else:
                await self._send(self._connection)

    async def _connect(self) -> None:
        """Open a connection; on failure tell everybody who waits for one."""
        connection = self._make_connection()
        opened = False
        try:
            async with asyncio.timeout_at(self._queue[0].deadline):
                await connection.connect()  # type: ignore[no-untyped-call]
            opened = True
        except TimeoutError:
            self._expire()
        except Exception as error:  # noqa: BLE001 -- whatever a driver makes of a strange server
            waiting, self._queue = self._queue, deque()
            _fail(waiting, error)
        finally:
            if not opened:
                await _let_go(connection)
        if opened:
            self._connection = connection
            self._reader = self._start(self._read_all(connection))

    async def _send(self, connection: AbstractConnection) -> None:
        batch: list[Call] = []
        while self._queue and len(batch) < MOST_AT_ONCE:
            call = self._queue.popleft()
            if not call.future.done():
                batch.append(call)
        if not batch:
            return
        self._sent.extend(batch)
        packed = b"".join([call.packed for call in batch])
        if self._wait is not None:
            packed += self._cover(batch, self._wait)
        try:
            async with asyncio.timeout_at(batch[0].deadline):
                await connection.send_packed_command(packed, check_health=False)
        except Exception as error:  # noqa: BLE001 -- as above
            self._lose(connection, error)

    def _cover(self, batch: Sequence[Call], wait: tuple[int, int]) -> bytes:
        writes = [call for call in batch if call.command.writes]
        if not writes:
            return b""
        covering = Wait(writes)
        for call in writes:
            call.wait = covering
        self._sent.append(covering)
        return pack((b"WAIT", b"%d" % wait[0], b"%d" % wait[1]))

    async def _read_all(self, connection: AbstractConnection) -> None:
        """Hand out replies until the connection ends: also while none is due, to see it end."""
        from redis.exceptions import (  # noqa: PLC0415 -- an extra
            NoScriptError,
            ReadOnlyError,
            ResponseError,
        )

        try:
            while True:
                try:
                    reply = await connection.read_response(disable_decoding=True)
                except ResponseError as error:
                    if isinstance(error, ReadOnlyError):
                        raise  # no longer the primary: to connect again leads to the one that is
                    reply = error
                call = self._sent.popleft()
                if isinstance(call, Wait):
                    self._confirm(call, reply)
                elif isinstance(reply, NoScriptError) and call.command.source is not None:
                    call.wait = None
                    call.packed = pack(call.command.with_source())
                    self._queue.appendleft(call)
                    self._wake()
                elif call.wait is not None:
                    call.reply = reply
                else:
                    call.resolve(reply)
        except Exception as error:  # noqa: BLE001 -- garbage makes a parser raise anything
            self._reader = None
            self._lose(connection, error)
        finally:
            # Cancelled when the loop ends: sending on it would connect it anew, and nobody read.
            if self._connection is connection:
                self._connection = None
            await _let_go(connection)

    def _confirm(self, wait: Wait, count: object) -> None:
        wanted = self._wait[0] if self._wait is not None else 0
        if not isinstance(count, int):
            error = count if isinstance(count, Exception) else ValueError("WAIT gave no number")
            _fail([wait], error)
        elif count < wanted:
            _fail([wait], ConnectionError(f"{count} of {wanted} replicas confirmed in time"))
        else:
            for call in wait.calls:
                if call.wait is wait:
                    call.resolve(call.reply)

    def _lose(self, connection: AbstractConnection, error: Exception) -> None:
        """Part with a connection: repeat what may be repeated, fail the rest."""
        if connection is not self._connection:
            return
        self._connection = None
        if self._reader is not None:
            self._reader.cancel()
        lost, self._sent = self._sent, deque()
        now = self._loop.time()
        for call in reversed(lost):
            if (
                isinstance(call, Call)
                and call.command.is_repeatable
                and not (call.repeated or call.wait is not None or call.future.done())
                and now < call.deadline
            ):
                call.repeated = True
                self._queue.appendleft(call)
            else:
                _fail([call], error)
        self._wake()

    def _expire(self) -> None:
        """Give up what is past its deadline, and look again at the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        late = TimeoutError("no answer in time")
        overdue = any(call.deadline <= now for call in self._sent)
        if overdue and self._connection is not None:
            self._lose(self._connection, late)
        while self._queue and self._queue[0].deadline <= now:
            self._queue.popleft().resolve(late)
        deadlines = [call.deadline for call in (*self._sent, *self._queue)]
        if deadlines:
            self._timer = self._loop.call_at(min(deadlines), self._expire)


def _fail(calls: Iterable[Call | Wait], error: Exception) -> None:
    for call in calls:
        if isinstance(call, Call):
            call.resolve(error)
        else:
            for covered in call.calls:
                if covered.wait is call:
                    covered.resolve(error)


async def _let_go(connection: AbstractConnection) -> None:
    """Close a connection at once, without flushing to a peer that may no longer read."""
    writer = getattr(connection, "_writer", None)
    if writer is not None:
        writer.transport.abort()
    with suppress(Exception):  # it is gone either way
        await connection.disconnect(nowait=True)
