"""Says beside each endpoint what it takes and answers, for whoever describes the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.endpoints.serving.calls import Call

_Function = TypeVar("_Function", bound="Callable[..., Awaitable[Answer]]")
_KEY = "description"


@dataclass(frozen=True, slots=True)
class Description:
    """What a function reads of a request, and what it may answer.

    `required` and `optional` are names of fields; of a required "a|b" either will do. `answers`
    maps a status to what its body says: codes in capitals, or names of schemas as "SignedIn".
    `knows_account` says that who is signed in matters, though nobody need be.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    answers: Mapping[int, tuple[str, ...]]
    knows_account: bool = False


def describe(
    fields: str, answers: Mapping[int, str], *, knows_account: bool = False
) -> Callable[[_Function], _Function]:
    """Describe the function of an endpoint; what `Front` answers for all is understood.

    Args:
        fields: their names with blanks between, the optional ones with a "?".
        answers: from a status to codes and names of schemas, with blanks between.
        knows_account: as of `Description`.
    """
    names = fields.split()
    description = Description(
        required=tuple(name for name in names if not name.endswith("?")),
        optional=tuple(name.rstrip("?") for name in names if name.endswith("?")),
        answers={status: tuple(said.split()) for status, said in answers.items()},
        knows_account=knows_account,
    )

    def mark(function: _Function) -> _Function:
        function.__dict__[_KEY] = description
        return function

    return mark


def find_description(function: Callable[..., Any]) -> Description | None:
    """Return what was said of a function, None for one that nobody has described."""
    found = getattr(function, _KEY, None)
    return found if isinstance(found, Description) else None


class EndpointRoute(Route):
    """A route that knows the function it leads to, and who may call it.

    Args:
        function, is_private, is_foreign: as of `Front.serve`.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        method: str,
        function: Callable[[Call], Awaitable[Answer]],
        is_private: bool,
        is_foreign: bool,
    ) -> None:
        word = function.__module__.rpartition(".")[2]
        super().__init__(path, endpoint, methods=[method], name=f"{word}:{function.__name__}")
        self.word, self.method, self.function = word, method, function
        self.is_private, self.is_foreign = is_private, is_foreign
