"""The names that older apps call."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.audit_guide import append_event, verify_chain_for_tenant
from tests.flows.audit_logs import Scene

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene(anyio_backend: str) -> Scene:
    return Scene()


async def test_P53_an_event_is_appended_to_the_chain_of_its_tenant(scene: Scene) -> None:
    await append_event(
        scene.log,
        actor_id="a1",
        tenant_id="acme",
        event_type="invoice.deleted",
        resource_ref="i7",
        metadata={"reason": "paid", "token": "t"},
    )
    await append_event(scene.log, event_type="started")
    said = json.loads(scene.stored("tenant:acme")[0].body)
    assert (said["actor"], said["action"], said["target"]) == ("a1", "invoice.deleted", "i7")
    assert said["details"] == {"reason": "paid", "token": "[redacted]"}
    assert json.loads(scene.stored()[0].body)["details"] == {}


async def test_P53_a_chain_tells_where_it_breaks(scene: Scene) -> None:
    assert await verify_chain_for_tenant(scene.log, tenant_id="acme") == (True, [])
    for _ in range(4):
        await append_event(scene.log, event_type="x", tenant_id="acme")
    await append_event(scene.log, event_type="x")
    anchor = await scene.log.checkpoint("acme")
    assert await verify_chain_for_tenant(scene.log, tenant_id="acme") == (True, [])
    assert await verify_chain_for_tenant(scene.log) == (True, [])
    del scene.stored("tenant:acme")[3]
    assert await verify_chain_for_tenant(scene.log, tenant_id="acme") == (True, [])
    found = await verify_chain_for_tenant(scene.log, tenant_id="acme", anchor=anchor)
    assert found == (False, [4])
    stored = scene.stored("tenant:acme")
    stored[1] = replace(stored[1], actor="eve")
    assert await verify_chain_for_tenant(scene.log, tenant_id="acme") == (False, [2])
    assert await verify_chain_for_tenant(scene.log) == (True, [])


async def test_P53_a_store_that_fails_is_neither_whole_nor_silent(scene: Scene) -> None:
    scene.between.is_down = True
    with pytest.raises(StorageError):
        await append_event(scene.log, event_type="x")
    with pytest.raises(StorageError):
        await verify_chain_for_tenant(scene.log)
