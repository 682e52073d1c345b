"""A small server with OpenAI's API that answers well, or fails in one way."""

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

FAULTS = "stalls", "drops", "401", "429", "500", "page", "json"


class ApiFake:
    """fault: one of FAULTS or "". told: the requests, as (path, authorization, body).

    answer(body): the text of an answer. logprobs(body): {token: log-probability} or None.
    completions(body): token log-probabilities of each prompt, or None.
    """

    def __init__(self):
        self.fault, self.told = "", []
        self.answer = lambda body: "The jaw is strongest."
        self.logprobs = self.completions = lambda body: None

    def choice(self, body):
        told, tokens = {"role": "assistant", "content": self.answer(body)}, self.logprobs(body)
        logprobs = None
        if tokens and body.get("logprobs"):
            top = [{"token": t, "logprob": p, "bytes": None} for t, p in tokens.items()]
            logprobs = {"content": [{**top[0], "top_logprobs": top}]}
        return {"index": 0, "message": told, "finish_reason": "stop", "logprobs": logprobs}


@contextmanager
def serving_api():
    """An ApiFake with its `url`, while open."""
    fake = ApiFake()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send(self, status, data, kind="application/json", missing=0):
            data = data.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data) + missing))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.send(
                200, json.dumps({"object": "list", "data": [{"id": "m1", "object": "model"}]})
            )

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers.get("Authorization", "")
            fake.told.append((self.path, key, body))
            if fake.fault == "stalls":
                time.sleep(2)
            elif fake.fault == "drops":
                self.send(200, self.chunk(body, "The"), "text/event-stream", missing=99)
            elif fake.fault == "page":
                self.send(200, "<html>Welcome</html>", "text/html")
            elif fake.fault == "json":
                self.send(200, '{"hello": 1}')
            elif fake.fault:
                error = {"error": {"message": f"Not with {key}!", "type": "x"}}
                self.send(int(fake.fault), json.dumps(error))
            elif self.path.endswith("/chat/completions"):
                self.chat(body)
            else:
                self.completions(body)

        def chunk(self, body, text):
            delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m1"}
            return f"data: {json.dumps({**head, 'choices': [delta]})}\n\n"

        def chat(self, body):
            if body.get("stream"):
                words = fake.answer(body).split(" ")
                texts = [word + " " for word in words[:-1]] + words[-1:]
                events = "".join(self.chunk(body, t) for t in texts) + "data: [DONE]\n\n"
                self.send(200, events, "text/event-stream")
                return
            head = {"id": "1", "object": "chat.completion", "created": 0, "model": "m1"}
            self.send(200, json.dumps({**head, "choices": [fake.choice(body)]}))

        def completions(self, body):
            rows = fake.completions(body)
            if rows is None:
                self.send(400, json.dumps({"error": {"message": "echo is not supported."}}))
                return
            choices = [
                {
                    "index": i,
                    "text": "",
                    "finish_reason": "length",
                    "logprobs": {"token_logprobs": row, "tokens": [], "text_offset": []},
                }
                for i, row in enumerate(rows)
            ]
            head = {"id": "1", "object": "text_completion", "created": 0, "model": "m1"}
            self.send(200, json.dumps({**head, "choices": choices[::-1]}))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}/v1"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
