from __future__ import annotations

from typing import get_args

import pytest

from asgi_security.flows.refresh_outcomes import RefreshRefused, RefusalReason, TokenPair

REASONS = get_args(RefusalReason)


@pytest.mark.parametrize("reason", REASONS)
def test_R88_only_the_end_of_a_login_ends_its_cookie(reason: RefusalReason) -> None:
    is_over = reason in {"gone", "reused", "subject_refused"}
    assert RefreshRefused(reason).ends_cookie is is_over


@pytest.mark.parametrize("reason", REASONS)
def test_R83_codes_are_those_of_rfc_6749(reason: RefusalReason) -> None:
    wanted = "invalid_scope" if reason == "scope_widened" else "invalid_grant"
    assert RefreshRefused(reason).code == wanted


def test_no_repr_shows_a_token() -> None:
    pair = TokenPair("access", "renew", 900, "handle", "ada", (), 0.0)
    assert "access" not in repr(pair).replace("access_token", "")
    assert "renew" not in repr(pair)
