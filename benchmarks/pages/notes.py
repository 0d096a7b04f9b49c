"""What no number says: why a peer is faster, and why some peers have no row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_APPENDS = (
    "It appends its lines to whatever is there, in the app's own list: a header that the app has "
    "set goes out twice. Ours copies the list, replaces or keeps as configured, and adds a 500 "
    "with the headers when the app fails."
)
_COUNTS = (
    "It counts requests of an address and nothing more. Ours reads the login name out of the body, "
    "charges account and address in one call, and settles them by the app's answer, so that a "
    "right password costs nobody an attempt."
)
_PIPELINE = (
    "It looks at the path and calls the app. Ours pays once for the engine: the context of the "
    "request, the copy of the scope, the 500 of an app that fails. Beside other guards of ours "
    "that is shared, and a guard more costs a fraction of this row (see *layers*)."
)
_PROMISES = (
    "What is written by hand serves one guard; the engine reads the wanted headers once, knows "
    "which layers a request has passed, and gives refusals, WebSockets and waiting layers the same "
    "way, for any number of guards."
)
_SETTLES = (
    "A charge of ours leaves a receipt that the outcome settles, so that parallel guesses fill the "
    "budget and a crash counts as a failure. A limiter has nothing to settle."
)

_ENGINE = (
    "Half of it or more is the engine, which *engine alone* takes apart: a guard that copies the "
    "scope and the message, offers a context and answers failures takes nearly as much when it is "
    "written by hand. What this guard does itself is the rest."
)
_MEMORY = (
    "Of 100,000 keys asked for in no order, each is far from the processor: much of the time, of "
    "either side, is waiting for main memory. Ours touches more of it: schedule, failures, anchor, "
    "charges, and the links by which a full store gives up the right row. With nothing else "
    "between the calls a look takes two thirds of a test of limits."
)

OVER_BUDGET: Mapping[str, str] = {
    "headers": _ENGINE,
    "cors": _ENGINE,
    "sessions present, unused": _ENGINE,
    "sessions read": (
        "Measured by parts: the search for the cookie an eighth, its JSON an eighth, what is "
        "decided as the response starts a twelfth; a good part of the rest is the engine."
    ),
    "sessions modified": (
        "Two HMACs, JSON both ways, and the comparison that keeps an equal value from being saved."
    ),
    "jwt HS256 first sight": (
        "Measured by parts: signature and base64url a quarter, of which the HMAC is a third; JSON "
        "whose objects are read-only and whose double names are refused a fifth; claims a tenth; "
        "the principal and its scopes a tenth; the rest is the engine and the search for the token."
    ),
    "jwt HS256 repeat": _ENGINE,
    "jwt HS256 third old secret": "As at first sight; the other secrets' HMACs are the least.",
    "lockout look": _MEMORY,
    "lockout charge": (
        f"{_MEMORY} Of a charge the steps take less than half when the key is at hand, a third of "
        "that for the ticket out of the system's entropy and the time; the rest is memory."
    ),
    "imports": "Most is the standard library, which both import.",
}
"""Why a budget is not met, by the beginning of the case's name."""

REASONS: Mapping[tuple[str, str], str] = {
    **{
        ("engine alone", side): _PROMISES
        for side in ("send wrapped by hand", "and copies", "and a context", "and a 500")
    },
    ("headers 7 lines", "Secweb"): _APPENDS,
    ("headers 7 lines", "by hand"): _APPENDS,
    ("cors origin alone", "asgi-cors"): (
        "It names the origin and does nothing else: no `Vary: Origin`, so a shared cache may give "
        "one site the answer of another; no credentials; no preflight."
    ),
    ("lockout other path", "limits fixed"): _PIPELINE,
    ("lockout other path", "slowapi"): _PIPELINE,
    ("lockout login", "limits fixed"): _COUNTS,
    ("lockout login", "slowapi"): _COUNTS,
    ("lockout look", "limits fixed"): (
        "A look of ours tells failures, charges in flight, and since when and until when the key "
        "is locked."
    ),
    ("lockout charge", "limits fixed"): _SETTLES,
    ("lockout charge", "limits moving"): _SETTLES,
    ("lockout charge", "limits aio fixed"): _SETTLES,
    ("lockout charge and fail", "limits fixed"): _SETTLES,
    ("lockout charge and fail", "limits moving"): _SETTLES,
    ("lockout charge and fail", "limits aio fixed"): _SETTLES,
    ("lockout look", "limits aio fixed"): (
        "A look of ours tells failures, charges in flight, and since when and until when the key "
        "is locked."
    ),
    ("charge by keys", "limits fixed"): _SETTLES,
    ("layers", "closures by hand"): (
        "One or two closures that append a line are cheaper than the engine, which is paid once; "
        "they give none of what it gives, and each further one costs as much as the first."
    ),
    ("server", ""): (
        "A request without credentials gives the peers' stack next to nothing to do, and over one "
        "connection most of the time is waiting: look at the share by processor time too."
    ),
}
"""Why a side is faster than ours, by case and side; a row without a reason is a thing to mend."""

_LISTS = (
    "A session of ours is a record with two expiries, a version and an owner, in lists by user and "
    "by expiry, so that a user's sessions can be counted, shown and ended; the peer stores bytes "
    "under a name."
)

STORE_REASONS: Mapping[tuple[str, str], str] = {
    ("redis", "session create"): _LISTS,
    ("memory", "session create"): _LISTS,
    ("sqlite", "once put"): (
        "Alone, either waits for the disk, and ours hands the step to a thread and back as the "
        "peer does; with more at once ours commits them together."
    ),
}
"""Why a peer of a store is faster, by backend and operation."""

GROWTH_REASONS: Mapping[str, str] = {
    "memory": (
        "*memory*: of a few microseconds, much is waiting for main memory once the rows no longer "
        "fit into the processor's caches, as in any dictionary of that size."
    ),
}
"""Why an operation of a backend grows beyond the budget."""

LEFT_OUT: Mapping[str, str] = {
    "svc-infra": (
        "not in the extra: its OpenTelemetry instrumentation asks for wrapt below 2, and the "
        "versions measured here have wrapt 2.5; an older set of all packages would be another run"
    ),
    "Litestar, sessions and JWT": (
        "its session middleware reads `scope['route_handler']` and works only inside a Litestar "
        "app; its tokens are verified by PyJWT, which has its own rows"
    ),
    "Litestar, request without Origin": (
        "it adds no `Vary: Origin` there: another answer, so no comparison"
    ),
    "asgi-cors, credentials and preflights": "it has neither; it has a row for what it does",
    "starsessions, a session that is read": (
        "it sets the cookie anew on every request that has loaded it: another answer"
    ),
    "authx, retired secrets": "it knows one previous key at most",
    "fastapi-guard": (
        "measured as a limiter of logins alone, everything else of it switched off; it has no "
        "sessions or tokens to compare"
    ),
}
