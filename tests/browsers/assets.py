"""Stands for the hosts from which FastAPI's documentation pages load their assets."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

PACKAGES = Path(__file__).parent / "node_modules"
_FONT = PACKAGES / "@fontsource/roboto/files/roboto-latin-400-normal.woff2"

FOR_EVERYONE = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "public, max-age=3600",
}

_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000"
    "01f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


async def serve_package(request: Request) -> Response:
    """Serve a file of an npm package, if the installed version is what the page asks for."""
    name, _, wanted = request.path_params["package"].partition("@")
    folder = PACKAGES / name
    path = (folder / request.path_params["file"]).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        return PlainTextResponse("no such file", 404)
    version = json.loads((folder / "package.json").read_text())["version"]
    if not f"{version}.".startswith(f"{wanted}."):
        return PlainTextResponse(f"{version} is installed: change package.json", 404)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Response(path.read_bytes(), media_type=kind, headers=FOR_EVERYONE)


async def serve_picture(request: Request) -> Response:
    return Response(_PIXEL, media_type="image/png", headers=FOR_EVERYONE)


async def serve_style(request: Request) -> Response:
    face = "@font-face{font-family:Roboto;src:url(https://fonts.gstatic.com/font.woff2)}"
    return Response(face, media_type="text/css", headers=FOR_EVERYONE)


async def serve_font(request: Request) -> Response:
    """Serve a real font: a browser that rejects one says so as it does of a fault."""
    return Response(_FONT.read_bytes(), media_type="font/woff2", headers=FOR_EVERYONE)


packages = Starlette(routes=[Route("/npm/{package}/{file:path}", serve_package)])
pictures = Starlette(routes=[Route("/{path:path}", serve_picture)])
fonts = Starlette(routes=[Route("/{path:path}", serve_font)])
styles = Starlette(routes=[Route("/{path:path}", serve_style)])
