"""A machine of random operations that every backend must answer alike."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Servers

T = TypeVar("T")

FEW = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Agreement(RuleBasedStateMachine):
    """Every rule asks all backends, memory first; each history begins with empty stores."""

    servers: Servers

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        opening = self.stack.enter_async_context(self.servers.open_all())
        self.stores = self.runner.run(opening)

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def ask(self, operation: Callable[[Store], Awaitable[T]]) -> T:
        """Return the answer that all give."""

        async def ask_all() -> list[T]:
            return await asyncio.gather(*map(operation, self.stores))

        first, *others = self.runner.run(ask_all())
        for store, other in zip(self.stores[1:], others, strict=True):
            assert other == first, store
        return first


def run_machine(machine: type[Agreement], servers: Servers) -> None:
    """Let a machine loose on what there is."""
    run_state_machine_as_test(type("Own", (machine,), {"servers": servers}), settings=FEW)
