"""Accounts in Django: register, log in with a second factor, reset, and see who is signed in.

Run it: uvicorn accounts_django:app --app-dir docs/examples
Then open http://127.0.0.1:8000/ - mails are printed where uvicorn runs.
"""

import os
import secrets

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

from asgi_security import SecurityHeadersConfig, SqliteStore, current
from asgi_security.auth import Auth, mount_auth
from asgi_security.flows.sending import ConsoleSender
from asgi_security.guards import AccessDenied, answer_denied, requires

SITE = os.environ.get("SITE_URL", "http://127.0.0.1:8000")

auth = Auth(
    SqliteStore(os.environ.get("APP_DATABASE", "accounts.db")),
    # One per deployment, from its environment; a random one logs everybody out at every restart.
    secret=os.environ.get("APP_SECRET") or secrets.token_urlsafe(32),
    site_url=SITE,
    sender=ConsoleSender(),  # an app that is used sends mails
    mfa=True,
    secure=SITE.startswith("https:"),
)


async def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse('<a href="/auth/login?next=/me">Log in</a>')


@requires()
async def me(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"you are {current().principal.subject}")


class AnswerDenied(MiddlewareMixin):
    def process_exception(self, request, error):  # noqa: ARG002 -- Django's signature
        if isinstance(error, AccessDenied):
            body, status, headers = answer_denied(error)
            return HttpResponse(body, status=status, headers=headers)
        return None


urlpatterns = [path("", home), path("me", me)]

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(32),
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[f"{__name__}.AnswerDenied"],
)
django.setup()

pages = get_asgi_application()


async def live(receive, send):
    """Close what is open when the server stops, of which Django hears nothing."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await auth.drain()  # mails that are under way
    await auth.store.aclose()
    await send({"type": "lifespan.shutdown.complete"})


async def site(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    else:
        await pages(scope, receive, send)


app = auth.harden(mount_auth(site, auth), headers=SecurityHeadersConfig.strict())
