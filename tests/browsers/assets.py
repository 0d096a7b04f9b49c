"""Stands for the hosts from which FastAPI's documentation pages load their assets."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PACKAGES = Path(__file__).parent / "node_modules"

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
    if f"{version}.".startswith(f"{wanted}.") is False:
        return PlainTextResponse(f"{version} is installed: change package.json", 404)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
        "cache-control": "public, max-age=3600",
    }
    return Response(path.read_bytes(), media_type=kind, headers=headers)


async def serve_picture(request: Request) -> Response:
    return Response(_PIXEL, media_type="image/png")


async def serve_style(request: Request) -> Response:
    face = "@font-face{font-family:Roboto;src:url(https://fonts.gstatic.com/roboto.woff2)}"
    return Response(face, media_type="text/css")


packages = Starlette(routes=[Route("/npm/{package}/{file:path}", serve_package)])
pictures = Starlette(routes=[Route("/{path:path}", serve_picture)])
styles = Starlette(routes=[Route("/{path:path}", serve_style)])
