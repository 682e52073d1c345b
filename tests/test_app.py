"""`python app.py` where it can't start: one sentence that says what to do, and no traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def start(port, name="127.0.0.1"):
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": name},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("port", ["eighty", "", "-1", "99999"])
def test_a_port_that_is_none_is_refused_in_one_sentence(port):
    done = start(port)
    assert done.returncode == 1 and not done.stdout
    said = f"GRADIO_SERVER_PORT={port} is not a port; give a number from 1 to 65535.\n"
    assert done.stderr == said


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_busy_port_is_said_in_one_sentence_with_a_way_out(name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = start(port, name)
    assert done.returncode == 1 and not done.stdout
    assert f"{name}:{port}" in done.stderr and "GRADIO_SERVER_PORT=" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_while_the_models_load_is_said_too(monkeypatch, capsys, tmp_path):
    import app
    from emg_llm.pipeline import EmotionPipeline
    from tests.pretending import FakePipeline

    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(other.getsockname()[1]))
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))  # which the app replaces
        monkeypatch.setattr(app, "is_free", lambda *_: True)
        monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: FakePipeline())
        with pytest.raises(SystemExit) as ended:
            app.main([])
    assert ended.value.code == 1
    assert "GRADIO_SERVER_PORT=" in capsys.readouterr().err


def test_models_that_are_not_loaded_are_named_and_the_address_stays(monkeypatch, capsys, tmp_path):
    import gradio as gr

    import app
    from emg_llm.pipeline import EmotionPipeline
    from tests.pretending import FakePipeline

    served = {}
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(app, "is_free", lambda *_: True)
    monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: FakePipeline())
    monkeypatch.setattr(gr.Blocks, "launch", lambda self, **options: served.update(options))
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    app.main([])
    assert served["server_name"] == "127.0.0.1"
    assert list(tmp_path.iterdir()) == []  # no uploads are left
    assert "tinyllama is not loaded. It needs 3 GB" in capsys.readouterr().out
