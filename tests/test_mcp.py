"""The MCP server, asked by a real client; and what programs may send beside a recording."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from emg_llm.ui import build_app, launch_options
from tests.pretending import FakePipeline, write_csv
from tests.test_limits import FILE

TOOLS = {"analyze_emg", "predict_emotion", "ask_about_emg"}


@pytest.fixture(scope="module")
def url():
    demo = build_app(FakePipeline())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("files") / "trial.csv")


def data_uri(path):
    return "data:text/csv;base64," + base64.b64encode(Path(path).read_bytes()).decode()


def with_session(url, work):
    """What `work(session)` gives, in a session of a client."""

    async def run():
        async with (
            streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await work(session)

    # A browser's test in this process leaves a loop running in this thread.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


def called(url, tool, **arguments):
    """(whether it failed, the text) of one call."""
    answer = with_session(url, lambda session: session.call_tool(tool, arguments))
    return answer.isError, "".join(part.text for part in answer.content)


def test_three_tools_are_offered_with_what_they_do_and_take(url):
    tools = with_session(url, lambda session: session.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert len(tool.description) > 100
        fields = tool.inputSchema["properties"]
        assert "file" in fields and all(field["description"] for field in fields.values())
        assert {*tool.inputSchema["required"]} <= {"file", "message"}


def test_each_tool_reads_a_file_from_a_data_uri(url, trial):
    file = data_uri(trial)
    failed, told = called(url, "analyze_emg", file=file)
    assert not failed and "sampled at 1000 Hz" in told
    failed, told = called(url, "predict_emotion", file=file, montage="a,b,c,d,e,f,g,h")
    assert not failed and "'label': 'fear'" in told
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    failed, told = called(url, "ask_about_emg", file=file, message="Why?", history=history)
    assert not failed and told == "nano-llama2 read 8 channels ✓ and 2 earlier messages: Why?"


def test_a_tool_reads_no_path_of_the_server(url, trial):
    for tool in ("analyze_emg", "analyze"):
        failed, told = called(url, tool, file=trial)
        assert failed and "channels" not in told
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call["params"] = {"name": "analyze", "arguments": {"file": FILE}}
    accepts = {"Accept": "application/json, text/event-stream"}
    assert httpx.post(f"{url}gradio_api/mcp/", json=call, headers=accepts).status_code == 400


def test_a_failure_of_a_tool_is_one_sentence(url, trial):
    file = "data:text/csv;base64," + base64.b64encode(b"hello").decode()
    failed, told = called(url, "predict_emotion", file=file)
    assert failed and "no numbers" in told and "Traceback" not in told
    failed, told = called(url, "ask_about_emg", file=data_uri(trial), message="x" * 2000)
    assert failed and "at most 1000 characters" in told


def test_a_prediction_may_come_with_a_profile_which_is_checked(url, trial, tmp_path):
    client = Client(url, verbose=False)
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(AppError, match=r"other.json is not a profile"):
        client.predict(handle_file(trial), profile=handle_file(other), api_name="/predict")
    assert client.predict(handle_file(trial), profile=None, api_name="/predict")["label"] == "fear"
