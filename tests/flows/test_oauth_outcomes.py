"""What a login comes to: values, of which none shows a secret."""

from __future__ import annotations

import dataclasses

import pytest

from asgi_security.flows import oauth_outcomes
from asgi_security.flows.oauth_outcomes import Redirect
from asgi_security.policy.oauth_response import OAuthRefused


def test_where_to_go_is_not_shown() -> None:
    redirect = Redirect("https://a.example/?state=s", "cookie")
    assert repr(redirect) == "Redirect()"
    with pytest.raises(dataclasses.FrozenInstanceError):
        redirect.url = "x"  # type: ignore[misc] # it is frozen


def test_every_refusal_has_a_code_of_its_own() -> None:
    values = [one for one in vars(oauth_outcomes).values() if isinstance(one, OAuthRefused)]
    assert len({one.code for one in values}) == len(values) == 5
    assert {one.status for one in values} == {400, 404, 503}
