"""The plan of every facet, in the order in which they are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stores.credentials import CREDENTIAL_PLANS
from benchmarks.stores.operations import REQUEST_PLANS
from benchmarks.stores.session_operations import SESSION_PLAN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.stores.operations import FacetPlan

PLANS: Mapping[str, FacetPlan] = {
    **REQUEST_PLANS,
    "sessions": SESSION_PLAN,
    **CREDENTIAL_PLANS,
}
"""By the name of the facet. A facet that has no plan is not filled."""
