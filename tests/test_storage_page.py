"""What `docs/storage.md` says of the package is so."""

from __future__ import annotations

import importlib
import re

import pytest

from asgi_security.storage import opening
from asgi_security.storage.facets import FACETS
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.postgres.schema import render_migrations
from tests.package_source import ROOT

PAGE = (ROOT / "docs" / "storage.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_option_is_told_and_none_that_is_not_there() -> None:
    table = PAGE.partition("| URL | option |")[2].partition("\n\n")[0]
    told = {
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", line.split("|")[2])
    }
    assert told == {name for options in opening._OPTIONS.values() for name in options}


def test_every_name_that_is_imported_is_there() -> None:
    for module, names in re.findall(r"from (asgi_security[\w.]*) import ([\w, ]+)", PAGE):
        for name in names.split(","):
            assert hasattr(importlib.import_module(module), name.strip()), name


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_is_python(block: str) -> None:
    compile(block, "docs/storage.md", "exec")


def test_facets_are_put_together_as_it_says() -> None:
    records, names = MemoryStore(), ("accounts", "audit", "api_keys")
    given = {name: getattr(records, name) for name in names}
    store = opening.open_store("redis://cache/0", **given)
    assert all(getattr(store, name) is facet for name, facet in given.items())
    assert len(FACETS) == 9


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_the_tables_it_names_are_there() -> None:
    named = PAGE.partition("real columns: ")[2].partition(" and so on")[0]
    for table in re.findall(r"`(\w+)`", named):
        assert f'CREATE TABLE "asgi_security".{table} (' in render_migrations()
