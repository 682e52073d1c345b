"""A server that speaks OpenAI's API: vLLM, llama.cpp, Ollama, `transformers serve`, hosted ones.

Whatever goes wrong there becomes an LlmError of one sentence. The key comes from EMG_LLM_API_KEY
and is neither logged nor told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emg_llm.llms.loading import LlmError

if TYPE_CHECKING:
    from emg_llm.chat.turns import Message

KEY = "EMG_LLM_API_KEY"
CONNECT_S, ANSWER_S = 5.0, 30.0  # longest waits, for a connection and between two pieces
LONGEST_TOLD = 200  # characters of a server's own error message


class Refused(LlmError):
    """The server rejects a request, such as for an option that it lacks."""


class ApiServer:
    """One model on a server.

    address: `http://HOST:PORT/v1[#MODEL]`; without #MODEL, the first that the server lists.
    """

    def __init__(self, address: str) -> None:
        import httpx2
        import openai

        url, _, model = address.partition("#")
        parts = urlsplit(url)
        if not parts.hostname:
            raise LlmError(f"{url} is no address: give it as http://HOST:PORT/v1#MODEL.")
        self.host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._key = os.environ.get(KEY, "")
        # No retries: the person who waits decides whether to ask again.
        self.client = openai.OpenAI(
            base_url=url,
            api_key=self._key or "none",
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            max_retries=0,
        )
        self.model = model or self._first_model()

    def _first_model(self):
        with self._explained():
            models = self.client.models.list().data
            if models:
                return str(models[0].id)
        raise LlmError(f"{self.host} serves no model: load one there.")

    def answer(self, messages: Sequence[Message], **options: Any) -> Any:
        """The first choice of a chat completion, greedy unless `options` say otherwise."""
        with self._explained():
            completion = self.client.chat.completions.create(
                **self._request(messages, options), stream=False
            )
            return self._first(completion.choices)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The pieces of a greedy answer; closing the generator ends the request."""
        with self._explained():
            request, chunk = self._request(messages, {"max_tokens": max_tokens}), None
            with self.client.chat.completions.create(**request, stream=True) as chunks:
                for chunk in chunks:
                    for choice in chunk.choices[:1]:
                        if choice.delta.content:
                            yield choice.delta.content
            if chunk is None:
                raise ValueError("no stream of answers")

    def echoed(self, prompts: Sequence[Sequence[int]]) -> list[list[float | None]]:
        """The log-probability of every token of some prompts, None for the first of each.

        prompts: token ids. Raises Refused where a server doesn't give them.
        """
        with self._explained():
            completion = self.client.completions.create(
                model=self.model,
                prompt=[list(ids) for ids in prompts],
                max_tokens=1,
                temperature=0,
                echo=True,
                logprobs=1,
            )
            choices = sorted(completion.choices, key=lambda choice: choice.index)
            told = [(c.logprobs and c.logprobs.token_logprobs) or [] for c in choices]
        lengths = [len(row) for row in told]
        if len(told) != len(prompts) or any(
            n < len(ids) for n, ids in zip(lengths, prompts, strict=True)
        ):
            raise Refused(f"{self.host} doesn't give the log-probabilities of a prompt.")
        return [list(row[: len(ids)]) for row, ids in zip(told, prompts, strict=True)]

    def _request(self, messages: Sequence[Message], options: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": self.model, "messages": list(messages), "temperature": 0, **options}

    def _first(self, choices):
        if not choices:
            raise ValueError("no choices")
        return choices[0]

    @contextmanager
    def _explained(self):
        """Turn whatever goes wrong with the server into an LlmError of one sentence."""
        import httpx2
        import openai

        host = self.host
        try:
            yield
        except LlmError:
            raise
        except openai.APIStatusError as error:
            raise self._by_status(error) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            cause = error.__cause__ if isinstance(error, openai.APIError) else error
            if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout)):
                told = f"{host} can't be reached: start the server, or correct its address."
            elif isinstance(cause, httpx2.TimeoutException):
                told = f"{host} stays silent for {ANSWER_S:.0f} s: see whether it is busy or stuck."
            else:
                told = f"The connection to {host} broke off: ask again."
            raise LlmError(told) from None
        except openai.APIError as error:  # reported within a stream
            raise LlmError(f"{host} stopped with an error{self._own_words(error)}") from None
        except (AttributeError, TypeError, ValueError, KeyError, IndexError):
            raise LlmError(
                f"{host} answers with something that isn't OpenAI's API: give the address that "
                "ends in /v1."
            ) from None

    def _by_status(self, error):
        status, host = error.status_code, self.host
        if status in (401, 403):
            return LlmError(f"{host} refuses the key: set {KEY} to one that it accepts.")
        if status == 404:
            return LlmError(
                f"{host} has no such model or address (404): name one of its models, as in "
                "NAME=http://HOST:PORT/v1#MODEL."
            )
        if status == 429:
            return LlmError(f"{host} gets too many requests (429): wait a minute and ask again.")
        if status >= 500:
            return LlmError(f"{host} failed with status {status}: its log has the reason.")
        return Refused(f"{host} rejects the request ({status}){self._own_words(error)}")

    def _own_words(self, error):
        """The server's own message as the end of a sentence, without the key."""
        lines = str(error.message).strip().splitlines() or [""]
        text = lines[0].replace(self._key, "…") if self._key else lines[0]
        return f": {text[:LONGEST_TOLD].rstrip('.')}." if text else "."
