"""Limits on what a request may send."""

import json
from typing import Any

MB = 2**20
MAX_UPLOAD = 1024 * MB  # of one request, which may hold several files
MAX_TOOL = 64 * MB  # a call of the MCP server, which may hold a file as a data URI
MAX_EVENT = 4 * MB  # any other request, such as a message with the chat before it
TOO_LARGE = "This request is too large."
NO_FILE = "Give a file as a URL or as a data URI."


class TooLarge(Exception):
    """More bytes than a request may have."""


class Limits:
    """ASGI middleware that refuses requests that are too large, and tools that name our files."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        is_tool = "/gradio_api/mcp" in path
        most = MAX_TOOL if is_tool else MAX_UPLOAD if path.endswith("/upload") else MAX_EVENT
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > most:
            await _refuse(send, 413, TOO_LARGE)
            return
        if path.endswith("/upload"):
            await self._counted(scope, receive, send, most)
            return
        body = await _read(receive, most)
        if body is None:
            await _refuse(send, 413, TOO_LARGE)
        elif is_tool and _names_a_file(body):
            await _refuse(send, 400, NO_FILE)
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _counted(self, scope, receive, send, most):
        seen, started = 0, False

        async def counted():
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge
            return message

        async def sent(message):
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, sent)
        except TooLarge:
            if not started:
                await _refuse(send, 413, TOO_LARGE)


async def _read(receive, most):
    """The whole body, or None if it is too large."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            return None
    return bytes(body)


def _replay(body, receive):
    """A `receive` that gives the body, then whatever else comes."""
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _names_a_file(body):
    """Whether a call has Gradio's form of a file, whose path would be one on this machine: Gradio's
    own client, which carries out the call, runs here and would upload it."""
    try:
        return "gradio.FileData" in json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return b"FileData" in body


async def _refuse(send, status, text):
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": json.dumps({"detail": text}).encode()})
