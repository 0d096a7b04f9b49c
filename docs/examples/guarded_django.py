"""Django behind the guards, by `harden` around `get_asgi_application()`.

A project puts the last statement into its `asgi.py`; this one fits in a single file.
Run it: uvicorn guarded_django:app --app-dir docs/examples
"""

import os
import secrets

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from asgi_security import (
    CorsConfig,
    JwtConfig,
    SessionConfig,
    current,
    harden,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)


async def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


async def visits(request: HttpRequest) -> HttpResponse:
    session = current().session
    session["visits"] = session.get("visits", 0) + 1
    return JsonResponse({"visits": session["visits"]})


def me(request: HttpRequest) -> HttpResponse:  # in a thread: the context follows there too
    principal = current().principal
    return HttpResponse(principal.subject if principal else "anonymous")


urlpatterns = [path("", hello), path("visits", visits), path("me", me)]

settings.configure(ROOT_URLCONF=__name__, SECRET_KEY=SECRET, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
django.setup()

app = harden(
    get_asgi_application(),
    cors=CorsConfig(allow_origins=["https://app.example.com"], allow_credentials=True),
    sessions=SessionConfig(secret=SECRET),
    jwt=JwtConfig(secret=SECRET, algorithms=["HS256"], optional=True),
)
