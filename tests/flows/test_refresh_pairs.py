from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.crypto.refresh_tokens import FAMILY_ID_BYTES, compute_family_digest
from asgi_security.flows.refresh_pairs import PairMaker
from asgi_security.flows.visits import UNKNOWN_VISIT, Visit
from asgi_security.policy.refresh_grants import RefreshGrant, parse_grant
from asgi_security.testing import SeededEntropy
from tests.flows.refreshing import build_config

if TYPE_CHECKING:
    from asgi_security.policy.refresh import RefreshConfig

NOW = 1_700_000_000.25
GRANT = RefreshGrant(claims={"roles": []}, scopes=("read",), auth_time=NOW)


def make(config: RefreshConfig | None = None) -> PairMaker:
    return PairMaker(config or build_config(), entropy=SeededEntropy())


def test_R80_a_family_is_made_of_entropy_and_the_store_sees_its_digest() -> None:
    maker = make()
    made = [maker.begin("ada", GRANT, visit=UNKNOWN_VISIT, now=NOW) for _ in range(2)]
    ids = {family_id for family_id, _ in made}
    assert {len(each) for each in ids} == {FAMILY_ID_BYTES}
    assert len(ids) == len({family.handle for _, family in made}) == 2
    for family_id, family in made:
        assert family.digest == compute_family_digest(family_id)
        assert parse_grant(family.data) == GRANT
        assert (family.created_at, family.advanced_at, family.generation) == (NOW, NOW, 0)
        assert family.idle_expires_at == NOW + 7 * 86_400
        assert family.absolute_expires_at == NOW + 30 * 86_400


def test_P12_what_is_kept_of_a_visit() -> None:
    maker = make()
    visit = Visit(client="203.0.113.7", user_agent="A\x1b[31m\nB")
    _, family = maker.begin("ada", GRANT, visit=visit, now=NOW)
    assert family.user_agent == "A[31mB"
    assert family.client is not None
    assert b"203.0.113.7" not in family.client
    _, unknown = maker.begin("ada", GRANT, visit=UNKNOWN_VISIT, now=NOW)
    assert (unknown.user_agent, unknown.client) == ("", None)


def test_R81_the_refresh_token_is_the_same_and_the_access_token_is_not() -> None:
    maker = make()
    family_id, family = maker.begin("ada", GRANT, visit=UNKNOWN_VISIT, now=NOW)
    one, two = [
        maker.build(family_id, family, grant=GRANT, scopes=("read",), claims={}, now=NOW)
        for _ in range(2)
    ]
    assert one.refresh_token == two.refresh_token
    assert one.access_token != two.access_token
    parsed = maker.parse(one.refresh_token)
    assert parsed is not None
    assert (parsed.family_id, parsed.generation) == (family_id, 0)
    assert maker.parse(one.access_token) is None


@pytest.mark.parametrize("claims", [{"x": object()}, {"x": float("inf")}])
def test_claims_are_json(claims: dict[str, object]) -> None:
    grant = RefreshGrant(claims=claims, auth_time=NOW)
    with pytest.raises((TypeError, ValueError)):
        make().begin("ada", grant, visit=UNKNOWN_VISIT, now=NOW)
