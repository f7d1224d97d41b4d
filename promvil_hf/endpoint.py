# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A client for any OpenAI-compatible server that never buys the same answer twice.

`Endpoint.ask` returns a value for every prompt: an `Answer`, or `Rejected` with a reason word from `REASONS`; what the
server does never raises. Each answer that was paid for is on disk, whole and unparsed, before anything looks at it: a
killed run, a second thread with the same prompt or a stricter parser next month reads it from there.

The budget of one prompt. `attempts` counts the requests of one call: rate limits, server errors, time-outs and
dropped connections are repeated with exponential back-off and jitter until it is used up. `bad_answers` counts the
paid answers that did not fit the schema, over all runs, because they are on disk too: raise it to buy another one.
A refused `response_format` costs one unpaid request per schema on top; after that the schema travels in the prompt.

Two processes that ask the same prompt at the same moment do not see each other: give each its own part of the work.

This module may read and write `cache_dir` and talk to `base_url`, nothing else. The key is sent to the server only:
it is in no repr, no error, no log line and no file.
"""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import logging
import os
import random
import re
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit


if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

API_KEY_VARIABLE = "PROMVIL_API_KEY"

REASONS = {
    "rate limited": "the server still answered 429 after the last attempt, or asked for a wait beyond `longest_wait`",
    "server error": "the server still answered 5xx after the last attempt",
    "timed out": "the server was silent for longer than `timeout` at the last attempt",
    "connection failed": "the connection was refused, reset or broken at the last attempt",
    "bad response": "the server answered 200 with something that is no chat completion",
    "unauthorized": "the server refused the key (401) or the account (402); nothing else is asked in this process",
    "refused": "the server refused the request (any other 4xx)",
    "declined": "the model or its filter declined to answer",
    "empty answer": "the answer had no choices or no text",
    "half json": "the JSON in the answer ends before its brackets are closed",
    "no json": "there is no JSON in the answer",
    "wrong schema": "the JSON in the answer does not fit the schema",
    "cut off": "the answer reached `max_tokens` before its JSON was complete",
    "too long": "the answer is longer than `max_chars`",
    "unsendable": "the messages cannot be written as JSON",
    "cache damaged": "the stored answers of this prompt cannot be read; delete the named file to ask again",
    "stopped": "the run was stopped while this prompt waited",
}
# Asking again cannot help these: the same request would end the same way, and it is paid.
_FINAL_ANSWERS = {"declined", "cut off", "too long"}


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for `Endpoint.ask_all`; `key` comes back with its result and may be anything."""

    key: Any
    messages: list[dict]
    schema: "type[BaseModel] | None" = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `value` is an instance of the schema, or the text where no schema was asked for.

    Tokens and cost cover every paid answer to this prompt, the unusable ones included, whenever they were bought;
    `cached` says that this call bought none of them. Both are None where the server did not report its usage.
    """

    value: Any
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    requests: int
    cached: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why there is no answer: `reason` is a key of `REASONS`, `details` is for people. `cost` as in `Answer`."""

    reason: str
    details: str
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cost: float | None = 0.0
    requests: int = 0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """Totals of one `Endpoint` since it was made: what was sent, bought and reused."""

    requests: int
    bought: int
    reused: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    without_usage: int
    rejected: dict[str, int]

    def __str__(self) -> str:
        tokens = f"{self.prompt_tokens} + {self.completion_tokens} tokens, cost {self.cost:.6g}"
        unknown = f" ({self.without_usage} answers came without usage)" if self.without_usage else ""
        rejects = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none"
        return (
            f"{self.requests} requests, {self.bought} answers bought, {self.reused} reused; {tokens}{unknown}; "
            f"rejected: {rejects}"
        )


# ---------------------------------------------------------------------------------------------- messages


def image_part(image: "Image | str | Path") -> dict:
    """The message part that shows `image`: a PIL image (sent as lossless PNG), a path, a data URL or a web address."""
    if isinstance(image, str) and image.startswith(("data:", "http://", "https://")):
        url = image
    else:
        from PIL import Image

        if isinstance(image, str | Path):
            data = Path(image).read_bytes()
            with Image.open(io.BytesIO(data)) as opened:
                mime = Image.MIME[opened.format]
        else:
            written = io.BytesIO()
            savable = image if image.mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA") else image.convert("RGB")
            savable.save(written, "PNG")
            data, mime = written.getvalue(), "image/png"
        url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def user(text: str, *images: "Image | str | Path") -> dict:
    """A user message, its images before its text."""
    if not images:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [*map(image_part, images), {"type": "text", "text": text}]}


def system(text: str) -> dict:
    """A system message."""
    return {"role": "system", "content": text}


def _without_images(value: Any) -> Any:
    """`value` with each data URL replaced by its digest: what the stored file shows of the request."""
    if isinstance(value, dict):
        return {key: _without_images(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_images(item) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return value


def _with_schema_in_words(messages: list[dict], schema: dict) -> list[dict]:
    """`messages` asking for the schema in plain words, for servers that take no `response_format`."""
    words = f"Answer with one JSON value that fits this JSON schema, and with nothing else:\n{json.dumps(schema)}"
    *earlier, last = messages
    if last.get("role") != "user":
        return [*messages, user(words)]
    content = last["content"]
    both = f"{content}\n\n{words}" if isinstance(content, str) else [*content, {"type": "text", "text": words}]
    return [*earlier, {**last, "content": both}]


# ---------------------------------------------------------------------------------------------- reading answers

_INSIDE_JSON = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]"]', re.DOTALL)
_OPENING = re.compile(r"[{\[]")


def _bracketed(text: str) -> tuple[list[str], bool]:
    """The outermost bracketed stretches of `text`, and whether the last one never closes. Linear, no recursion."""
    fragments, position = [], 0
    while opening := _OPENING.search(text, position):
        depth, position = 0, opening.start()
        for token in _INSIDE_JSON.finditer(text, position):
            mark = token.group()
            depth += (mark in "{[") - (mark in "}]")
            if mark == '"':  # a string that never ends
                return fragments, True
            if depth == 0:
                position = token.end()
                fragments.append(text[opening.start() : position])
                break
        else:
            return fragments, True
    return fragments, False


def read_structured(text: str, schema: "type[BaseModel]") -> "BaseModel | Rejected":
    """The last JSON value in `text` that fits `schema`, through code fences, prose and thinking aloud; or a reason.

    Only outermost brackets count: an object inside an unfinished or unfitting one is no answer.
    """
    from pydantic import ValidationError

    spoken = text.rpartition("</think>")[2]
    fragments, unclosed = _bracketed(spoken)
    whole = text.strip()
    complaint = None
    for candidate in dict.fromkeys([whole, *reversed(fragments)]):
        try:
            return schema.model_validate_json(candidate)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            if complaint is None and errors[0]["type"] != "json_invalid":
                places = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in errors]
                complaint = "; ".join(places[:3]) + (f"; and {len(places) - 3} more" if len(places) > 3 else "")
    if unclosed:
        return Rejected("half json", f"the JSON is not closed; the answer ends with {whole[-60:]!r}")
    if complaint is not None:
        return Rejected("wrong schema", f"{schema.__name__} does not take the answer: {complaint}")
    return Rejected("no json", f"the answer begins with {whole[:60]!r}")


def _judge(bought: dict, schema: "type[BaseModel] | None", max_chars: int) -> Any:
    """The value of a stored answer, or `Rejected`."""
    text, cut = bought["text"], bought["finish_reason"] == "length"
    if bought["chars"] > max_chars:
        return Rejected("too long", f"{bought['chars']} characters, more than max_chars={max_chars}")
    if bought["finish_reason"] == "content_filter" or bought["refusal"]:
        return Rejected("declined", bought["refusal"] or "the server's content filter stopped the answer")
    if not text.strip():
        return Rejected("cut off" if cut else "empty answer", f"finish_reason is {bought['finish_reason']!r}")
    if schema is None:
        return text
    value = read_structured(text, schema)
    if isinstance(value, Rejected) and cut:
        return Rejected("cut off", f"max_tokens was reached: {value.details}")
    return value


# ---------------------------------------------------------------------------------------------- what is shared


class _Secret:
    """Holds the key where no repr, copy to a dict or traceback of locals shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    @classmethod
    def of(cls, key: str | None) -> "_Secret | None":
        key = key if key is not None else os.environ.get(API_KEY_VARIABLE)
        return cls(key) if key else None

    def __repr__(self) -> str:
        return "<key>"

    def reveal(self) -> str:
        return self._value


class _AsWritten(dict):
    """A `response_format` that reaches the server as written.

    With a `base_url`, huggingface_hub 2.4 turns OpenAI's `json_schema` format into the older dialect of
    text-generation-inference (`json_object` with `value`), which other servers refuse or, worse, take for "any JSON".
    It looks with `.get("type")`. Remove this class when the Hub client passes the format on unchanged.
    """

    def get(self, key: str, default: Any = None) -> Any:
        return default


class _Pace:
    """When the next request may leave: one per `interval` seconds, none while the server asked for silence."""

    def __init__(self, interval: float):
        self._interval = interval
        self._lock = threading.Lock()
        self._next = 0.0
        self._silent_until = 0.0

    def wait(self, stop: threading.Event) -> bool:
        """Block until a request may leave; False when stopped first."""
        while True:
            with self._lock:
                leave = max(time.monotonic(), self._next, self._silent_until)
                self._next = leave + self._interval
            if stop.wait(max(0.0, leave - time.monotonic())):
                return False
            if time.monotonic() >= self._silent_until:  # a refusal may have come while this request waited
                return True

    def silence(self, seconds: float) -> None:
        with self._lock:
            self._silent_until = max(self._silent_until, time.monotonic() + seconds)


class _Store:
    """Paid answers by content: one JSON file per prompt, replaced whole, never edited in place."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def read(self, key: str) -> list[dict]:
        try:
            answers = json.loads(self.path(key).read_bytes())["answers"]
        except FileNotFoundError:
            return []
        if not isinstance(answers, list) or not all(isinstance(a, dict) and _FIELDS <= a.keys() for a in answers):
            raise ValueError("it holds no list of answers")
        return answers

    def write(self, key: str, record: dict) -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                json.dump(record, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())  # it was paid for: survive a power cut, not only a kill
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise


_FIELDS = {"text", "chars", "finish_reason", "refusal", "prompt_tokens", "completion_tokens"}


class _State:
    """What the threads of one endpoint share."""

    def __init__(self, interval: float, folder: Path):
        self.lock = threading.Lock()
        self.pace = _Pace(interval)
        self.store = _Store(folder)
        self.flights: dict[str, Future] = {}
        self.schemas_in_words: set[str] = set()
        self.closed: Rejected | None = None
        self.counts: Counter = Counter()
        self.cost = 0.0
        self.rejected: Counter = Counter()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A request that bought nothing. `wait` is what the server asked for."""

    reason: str
    details: str
    again: bool = True
    wait: float | None = None
    status: int | None = None


_JUST_WAIT = threading.Event()  # never set: `ask` outside `ask_all` cannot be stopped


# ---------------------------------------------------------------------------------------------- the endpoint


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An OpenAI-compatible server, a model on it and the terms on which it is asked.

    Args:
        base_url: the address the OpenAI client would take, such as `http://localhost:8000/v1`.
        model: the model's name on that server.
        cache_dir: where paid answers are kept. An answer is found again by model, messages, schema, temperature,
            max_tokens, seed and extra, and not by the address: a local server that comes back on another port, or
            another host of the same model, finds them. Use one folder per server where that is not wanted.
        api_key: the key; the environment variable PROMVIL_API_KEY where it is not given. No other token is ever sent,
            a Hugging Face token of this machine least of all.
        temperature, max_tokens, seed, extra: sampling; None leaves a field out of the request, and `extra` is merged
            into its body. Several samples of one prompt differ by their seed.
        timeout: seconds of silence after which a request counts as lost.
        concurrency: threads of `ask_all`.
        requests_per_minute: evenly spaced limit over all threads, repeats included; None for no limit.
        attempts: requests per prompt and call.
        bad_answers: paid answers per prompt that may fail the schema before it is rejected.
        first_wait, longest_wait: seconds of back-off, doubling from the first to the longest. A longer `Retry-After`
            rejects the prompt at once; a shorter one silences all threads for that long.
        max_chars: answers beyond this are cut in the store and rejected.
        prompt_price, completion_price: per million tokens, in any currency.
    """

    base_url: str
    model: str
    cache_dir: str | Path
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = 0.0
    max_tokens: int | None = 1024
    seed: int | None = None
    extra: Mapping[str, Any] | None = None
    timeout: float = 120.0
    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 6
    bad_answers: int = 2
    first_wait: float = 1.0
    longest_wait: float = 120.0
    max_chars: int = 200_000
    prompt_price: float = 0.0
    completion_price: float = 0.0
    _state: _State = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", _Secret.of(self.api_key))
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(
                f"You passed base_url={self._hide(self.base_url)!r}, which is no web address. Pass the server's "
                "address with its scheme, such as 'http://localhost:8000/v1'."
            )
        if address.username or address.password:
            raise ValueError(
                f"The base_url for {address.hostname} holds a user name or password, which would end up in logs. "
                f"Pass the key as api_key=... or in the environment variable {API_KEY_VARIABLE}."
            )
        for name in ("attempts", "bad_answers", "max_chars"):
            if getattr(self, name) < 1:
                raise ValueError(f"You passed {name}={getattr(self, name)}. It must be 1 or more.")
        if not 1 <= self.concurrency <= 100:
            raise ValueError(
                f"You passed concurrency={self.concurrency}. It must lie between 1 and 100, the connections that "
                "huggingface_hub keeps open; run several processes on parts of the work for more."
            )
        if self.requests_per_minute is not None and not self.requests_per_minute > 0:
            raise ValueError(
                f"You passed requests_per_minute={self.requests_per_minute}. Pass a positive number, "
                "or None for no limit."
            )
        interval = 60.0 / self.requests_per_minute if self.requests_per_minute else 0.0
        object.__setattr__(self, "_state", _State(interval, Path(self.cache_dir)))

    def ask(self, messages: list[dict], schema: "type[BaseModel] | None" = None) -> Answer | Rejected:
        """The answer to `messages`, from the cache where it was bought before."""
        return self._ask(messages, schema, _JUST_WAIT)

    def ask_all(self, requests: Iterable[Request], progress: bool = False) -> Iterator[tuple[Any, Answer | Rejected]]:
        """Ask with `concurrency` threads and yield `(key, result)` in input order, as soon as each is due.

        `requests` is read a few dozen items ahead, never whole. Leaving the loop early stops what waits and keeps
        what is under way.
        """
        from tqdm.auto import tqdm

        stop = threading.Event()
        due: deque[tuple[Any, Future]] = deque()
        total = len(requests) if hasattr(requests, "__len__") else None
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="promvil-ask")
        with tqdm(total=total, disable=not progress, desc=f"asking {self.model}") as bar:
            try:
                for request in requests:
                    due.append((request.key, pool.submit(self._ask, request.messages, request.schema, stop)))
                    while due and (len(due) >= 4 * self.concurrency or due[0][1].done()):
                        key, result = due.popleft()
                        yield key, result.result()
                        bar.update()
                while due:
                    key, result = due.popleft()
                    yield key, result.result()
                    bar.update()
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)  # requests under way are paid: let them be stored

    def spent(self) -> Spent:
        """What this object sent, bought and reused so far."""
        state = self._state
        with state.lock:
            counts = state.counts
            return Spent(
                requests=counts["requests"],
                bought=counts["bought"],
                reused=counts["reused"],
                prompt_tokens=counts["prompt_tokens"],
                completion_tokens=counts["completion_tokens"],
                cost=state.cost,
                without_usage=counts["without_usage"],
                rejected=dict(state.rejected),
            )

    # -- one prompt

    def _ask(self, messages: list[dict], schema: "type[BaseModel] | None", stop: threading.Event) -> Answer | Rejected:
        """Let one thread ask each prompt while the others that hold the same one wait for its result."""
        state = self._state
        try:
            content = self._content(messages, schema)
            key = hashlib.sha256(content.encode()).hexdigest()
        except (TypeError, ValueError) as error:
            return self._count(Rejected("unsendable", self._hide(f"the messages are no JSON: {error}")))
        while True:
            with state.lock:
                flight = state.flights.get(key)
                first = flight is None
                if first:
                    flight = state.flights[key] = Future()
            if first:
                try:
                    result = self._ask_alone(key, messages, schema, stop)
                    flight.set_result(result)
                except BaseException as error:
                    flight.set_exception(error)
                    raise
                finally:
                    with state.lock:
                        del state.flights[key]
                return self._count(result)
            result = flight.result()
            if not (isinstance(result, Rejected) and result.reason == "stopped"):  # that stop was another caller's
                return self._count(dataclasses.replace(result, requests=0, cached=True))

    def _ask_alone(
        self, key: str, messages: list[dict], schema: "type[BaseModel] | None", stop: threading.Event
    ) -> Answer | Rejected:
        state, store = self._state, self._state.store
        try:
            bought = store.read(key)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Rejected("cache damaged", f"{store.path(key)} cannot be used ({type(error).__name__})", cached=True)
        kept = [self._result(bought, index, schema, requests=0, cached=True) for index in range(len(bought))]
        if answers := [result for result in kept if isinstance(result, Answer)]:
            return answers[-1]
        if kept and self._settled(kept[-1], len(kept)):
            return kept[-1]

        fingerprint = json.dumps(_json_schema(schema), sort_keys=True)
        in_words = fingerprint in state.schemas_in_words
        last, tries, requests = Rejected("stopped", "stopped before the first request"), 0, 0
        while tries < self.attempts:
            if state.closed is not None:
                return dataclasses.replace(state.closed, requests=requests)
            if not state.pace.wait(stop):
                return Rejected("stopped", f"stopped while waiting; before that: {last.details}", requests=requests)
            outcome = self._send(messages, schema, in_words)
            requests += 1
            if isinstance(outcome, dict):
                if in_words:
                    state.schemas_in_words.add(fingerprint)
                bought = [*bought, outcome]
                store.write(key, {**self._provenance(messages, schema), "answers": bought})
                self._count_bought(outcome)
                last = self._result(bought, len(bought) - 1, schema, requests, cached=False)
                if self._settled(last, len(bought)):
                    return last
                tries += 1
                continue
            logger.debug("prompt %s, request %d: %s (%s)", key[:12], requests, outcome.reason, outcome.status)
            if outcome.status in (400, 422) and schema is not None and not in_words:
                in_words = True  # perhaps the server takes no response_format; the next request tells
                continue
            tries += 1
            last = Rejected(outcome.reason, f"{outcome.details} (request {requests})", requests=requests)
            if outcome.reason == "unauthorized":
                state.closed = last
            if not outcome.again:
                return self._priced(last, bought)
            wait = min(self.longest_wait, self.first_wait * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)
            if outcome.wait is not None:
                if outcome.wait > self.longest_wait:
                    details = f"the server asks to wait {outcome.wait:g} s; longest_wait is {self.longest_wait:g} s"
                    return self._priced(Rejected(outcome.reason, details, requests=requests), bought)
                state.pace.silence(outcome.wait)  # which holds this thread too
            if tries < self.attempts and stop.wait(wait):
                return Rejected("stopped", f"stopped while waiting; before that: {last.details}", requests=requests)
        return self._priced(last, bought)

    def _settled(self, result: Answer | Rejected, answers: int) -> bool:
        return isinstance(result, Answer) or result.reason in _FINAL_ANSWERS or answers >= self.bad_answers

    def _result(
        self, bought: list[dict], index: int, schema: "type[BaseModel] | None", requests: int, cached: bool
    ) -> Answer | Rejected:
        """What the stored answer at `index` is worth, with the price of all of them."""
        value = _judge(bought[index], schema, self.max_chars)
        if isinstance(value, Rejected):
            rejected = Rejected(value.reason, self._hide(value.details), requests=requests, cached=cached)
            return self._priced(rejected, bought)
        answer = Answer(value, bought[index]["text"], bought[index]["finish_reason"], 0, 0, 0.0, requests, cached)
        return self._priced(answer, bought)

    def _priced(self, result: Answer | Rejected, bought: list[dict]) -> Answer | Rejected:
        if any(answer["prompt_tokens"] is None for answer in bought):
            return dataclasses.replace(result, prompt_tokens=None, completion_tokens=None, cost=None)
        prompt = sum(answer["prompt_tokens"] for answer in bought)
        completion = sum(answer["completion_tokens"] for answer in bought)
        cost = self._cost(prompt, completion)
        return dataclasses.replace(result, prompt_tokens=prompt, completion_tokens=completion, cost=cost)

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1_000_000

    # -- one request

    def _send(self, messages: list[dict], schema: "type[BaseModel] | None", in_words: bool) -> dict | _Failure:
        """Post one request: the answer as it will be stored, or why there is none."""
        from huggingface_hub import InferenceClient
        from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

        response_format = None
        if schema is not None and in_words:
            messages = _with_schema_in_words(messages, _json_schema(schema))
        elif schema is not None:
            response_format = _AsWritten(_response_format(schema))
        client = InferenceClient(
            base_url=self.base_url,
            api_key=self.api_key.reveal() if self.api_key else None,
            timeout=self.timeout,
            # Without a key the Hub client would send this machine's Hugging Face token to a stranger.
            headers=None if self.api_key else {"authorization": None},
        )
        with self._state.lock:
            self._state.counts["requests"] += 1
        try:
            output = client.chat_completion(
                messages,
                model=self.model,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                seed=self.seed,
                response_format=response_format,
                extra_body=dict(self.extra) if self.extra else None,
            )
            return self._to_store(output)
        except OfflineModeIsEnabled:
            raise RuntimeError(
                "HF_HUB_OFFLINE=1 is set, and huggingface_hub sends nothing while it is, not even to "
                f"{urlsplit(self.base_url).hostname}. Unset it for this process; only prompts whose answers are in "
                f"{self.cache_dir} can be asked with it."
            ) from None
        except HfHubHTTPError as error:
            return self._refusal(error.response, error.server_message or "")
        except TimeoutError:
            return _Failure("timed out", f"no answer within {self.timeout:g} s of silence")
        except (HTTPError, OSError, RuntimeError) as error:  # RuntimeError: another thread closed the shared client
            return _Failure("connection failed", self._hide(f"{type(error).__name__}: {error}"))
        except (ValueError, TypeError, AttributeError, KeyError) as error:  # the Hub client trips over odd bodies,
            if (response := getattr(error.__context__, "response", None)) is not None:  # those of refusals too
                return self._refusal(response, "")
            return _Failure("bad response", self._hide(f"no chat completion: {type(error).__name__}: {error}"))

    def _to_store(self, output: Any) -> dict:
        """The fields worth keeping of a chat completion, or ValueError when it is none."""
        choices = getattr(output, "choices", None)
        if not isinstance(choices, list):
            told = output.get("error") if isinstance(output, dict) else None
            raise ValueError(f"there are no choices in it; error: {json.dumps(told, default=str)}")
        message = getattr(choices[0], "message", None) if choices else None
        text = getattr(message, "content", None)
        if isinstance(text, list):  # some servers answer in parts
            text = "".join(part.get("text") or "" for part in text)
        if not isinstance(text, str | None):
            raise ValueError(f"its content is of type {type(text).__name__}")
        text = self._hide(text or "", limit=None)
        refusal = message.get("refusal") if isinstance(message, dict) else None
        finish = getattr(choices[0], "finish_reason", None) if choices else None
        prompt, completion = (
            getattr(getattr(output, "usage", None), name, None) for name in ("prompt_tokens", "completion_tokens")
        )
        counted = all(isinstance(tokens, int) and tokens >= 0 for tokens in (prompt, completion))
        return {
            "text": text[: self.max_chars],
            "chars": len(text),
            "finish_reason": self._hide(finish) if isinstance(finish, str) else None,
            "refusal": self._hide(refusal) if isinstance(refusal, str) else None,
            "prompt_tokens": prompt if counted else None,
            "completion_tokens": completion if counted else None,
            "bought": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": urlsplit(self.base_url).netloc,
        }

    def _refusal(self, response: Any, told: str) -> _Failure:
        status = response.status_code
        details = self._hide(f"the server answered {status}" + (f": {' '.join(told.split())}" if told else ""))
        wait = _retry_after(response.headers.get("Retry-After"))
        if status == 429:
            return _Failure("rate limited", details, wait=wait, status=status)
        if status in (401, 402):
            return _Failure("unauthorized", details, again=False, status=status)
        if status == 408:
            return _Failure("timed out", details, wait=wait, status=status)
        if status >= 500 or status in (409, 425):
            return _Failure("server error", details, wait=wait, status=status)
        return _Failure("refused", details, again=False, status=status)

    # -- what is written down

    def _content(self, messages: list[dict], schema: "type[BaseModel] | None") -> str:
        """The text whose digest names this prompt in the cache."""
        if not messages or not all(isinstance(message, dict) for message in messages):
            raise ValueError("expected a non-empty list of message dicts")
        return json.dumps(
            {
                "model": self.model,
                "messages": messages,
                "schema": _json_schema(schema),
                "temperature": self.temperature,
                "max_tokens": self.max_tokens,
                "seed": self.seed,
                "extra": dict(self.extra) if self.extra else None,
            },
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
        )

    def _provenance(self, messages: list[dict], schema: "type[BaseModel] | None") -> dict:
        """What a person finds beside the stored answers: the request, with images as digests."""
        shown = json.loads(self._hide(self._content(_without_images(messages), schema), limit=None))
        return {"version": 1, "request": shown}

    def _hide(self, text: str, limit: int | None = 500) -> str:
        """`text` without the key, which servers do echo, and short enough for a log line."""
        key = self.api_key.reveal() if self.api_key else ""
        if len(key) >= 8:  # a shorter one is a placeholder such as "EMPTY", and may well be a word of the answer
            text = text.replace(key, "<key>")
        return text if limit is None or len(text) <= limit else text[:limit] + "…"

    def _count_bought(self, answer: dict) -> None:
        state = self._state
        with state.lock:
            state.counts["bought"] += 1
            if answer["prompt_tokens"] is None:
                state.counts["without_usage"] += 1
            else:
                state.counts["prompt_tokens"] += answer["prompt_tokens"]
                state.counts["completion_tokens"] += answer["completion_tokens"]
                state.cost += self._cost(answer["prompt_tokens"], answer["completion_tokens"])

    def _count(self, result: Answer | Rejected) -> Answer | Rejected:
        with self._state.lock:
            if isinstance(result, Rejected):
                self._state.rejected[result.reason] += 1
            elif result.cached:
                self._state.counts["reused"] += 1
        return result


@functools.lru_cache(maxsize=64)
def _json_schema(schema: "type[BaseModel] | None") -> dict | None:
    return None if schema is None else schema.model_json_schema()


def _response_format(schema: "type[BaseModel]") -> dict:
    """OpenAI's `response_format` for a pydantic model."""
    name = re.sub(r"\W", "_", schema.__name__, flags=re.ASCII)[:64]
    written = _json_schema(schema)
    return {"type": "json_schema", "json_schema": {"name": name, "schema": written, "strict": _is_strict(written)}}


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode would take the schema: every object closed and every property required."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(schema.get("properties", ())):
            return False
    return all(map(_is_strict, schema.values()))


def _retry_after(value: str | None) -> float | None:
    """Seconds in a `Retry-After` header, which is a number or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
