"""What a request may send, and that uploads are deleted."""

import asyncio
import json
import os
import time

import pytest

from emg_llm.hub.temporary import delete_older, staging_folder
from emg_llm.ui import limits

FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


def answer(path, chunks, stated=True):
    """(status, the bytes that the app got) of a request."""
    got, told, left = [], [], list(chunks)

    async def app(scope, receive, send):
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200})

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        told.append(message)

    length = str(sum(map(len, chunks))).encode()
    headers = [(b"content-length", length)] if stated else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(limits.Limits(app)(scope, receive, send))
    return told[0]["status"], b"".join(got)


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/mcp/", "/gradio_api/call/x"])
def test_a_request_that_is_too_large_is_refused(path, stated, monkeypatch):
    for name in ("MAX_UPLOAD", "MAX_TOOL", "MAX_EVENT"):
        monkeypatch.setattr(limits, name, 10)
    assert answer(path, [b"12345", b"67890"], stated) == (200, b"1234567890")
    assert answer(path, [b"12345", b"678901"], stated)[0] == 413


@pytest.mark.parametrize("escaped", [True, False])
def test_a_tool_takes_no_path_on_this_machine(escaped):
    call = {"method": "tools/call", "params": {"arguments": {"history": [{"content": FILE}]}}}
    body = json.dumps(call).encode()
    body = body.replace(b"gradio.File", b"\\u0067radio.F\\u0069le") if escaped else body
    assert answer("/gradio_api/mcp/", [body])[0] == 400
    assert answer("/gradio_api/mcp/messages/", [body])[0] == 400
    assert answer("/gradio_api/call/predict", [body])[0] == 200  # Gradio checks it there


def test_old_files_are_deleted_and_new_ones_stay(tmp_path):
    with staging_folder("uploads-", str(tmp_path / "place")) as folder:
        old, new = folder / "a" / "old.csv", folder / "b" / "new.csv"
        for file in (old, new):
            file.parent.mkdir()
            file.write_text("1")
            time.sleep(0.3)
        delete_older(folder, 0.45)
        assert not old.exists() and new.exists()
    assert os.listdir(tmp_path / "place") == []
