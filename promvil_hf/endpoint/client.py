# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`Endpoint`: an OpenAI-compatible server, the terms on which it is asked, and what asking it has cost.

May read and write `cache_dir` and talk to `base_url`, nothing else.
"""

import dataclasses
import hashlib
import json
import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promvil_hf.endpoint.completions import Completion, complaint, completions_url, read_completion
from promvil_hf.endpoint.messages import json_schema, response_format, with_schema_in_words, without_images
from promvil_hf.endpoint.pace import Pace, retry_after
from promvil_hf.endpoint.reading import judged, whole_characters
from promvil_hf.endpoint.results import FINAL_ANSWERS, Answer, Request, Spent, Unanswered
from promvil_hf.endpoint.secret import API_KEY_VARIABLE, Secret
from promvil_hf.endpoint.store import SingleFlight, Store
from promvil_hf.endpoint.transport import Reply, TooLong, Unreadable, post
from promvil_hf.jobs import Rejected


if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger("promvil_hf.endpoint")


class _State:
    """What the threads of one endpoint share."""

    def __init__(self, interval: float, folder: Path):
        self.lock = threading.Lock()
        self.pace = Pace(interval)
        self.store = Store(folder)
        self.flights = SingleFlight()
        self.schemas_in_words: set[str] = set()
        self.closed: Unanswered | None = None
        self.counts: Counter = Counter()
        self.cost = 0.0
        self.rejected: Counter = Counter()


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that bought nothing. `wait` is what the server asked for."""

    reason: str
    detail: str
    wait: float | None = None
    status: int | None = None


_COUNTED = ("requests", "bought", "reused", "prompt_tokens", "completion_tokens", "without_usage")
_REFUSALS = {
    401: "unauthorized", 402: "unauthorized", 408: "timed out", 409: "server error", 425: "server error",
    429: "rate limited",
}  # fmt: skip
_NEVER_AGAIN = {"unauthorized", "refused", "too long"}
_JUST_WAIT = threading.Event()  # never set: `ask` outside `ask_all` cannot be stopped


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
        timeout: seconds after which a request without its whole answer counts as lost.
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
        object.__setattr__(self, "api_key", Secret(self.api_key))
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(
                f"You passed base_url={self.api_key.hide(self.base_url)!r}, which is no web address. Pass the server's "
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
                f"You passed concurrency={self.concurrency}. It must lie between 1 and 100; run several processes on parts "
                "of the work for more."
            )
        if self.requests_per_minute is not None and not self.requests_per_minute > 0:
            raise ValueError(
                f"You passed requests_per_minute={self.requests_per_minute}. Pass a positive number, "
                "or None for no limit."
            )
        interval = 60.0 / self.requests_per_minute if self.requests_per_minute else 0.0
        object.__setattr__(self, "_state", _State(interval, Path(self.cache_dir)))

    def ask(self, messages: list[dict], schema: "type[BaseModel] | None" = None) -> Answer | Unanswered:
        """The answer to `messages`, from the cache where it was bought before."""
        return self._ask(messages, schema, _JUST_WAIT)

    def ask_all(
        self, requests: Iterable[Request], progress: bool = False
    ) -> Iterator[tuple[Any, Answer | Unanswered]]:
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

            def earliest() -> tuple[Any, Answer | Unanswered]:
                key, result = due.popleft()
                bar.update()
                return key, result.result()

            try:
                for request in requests:
                    due.append((request.key, pool.submit(self._ask, request.messages, request.schema, stop)))
                    while due and (len(due) >= 4 * self.concurrency or due[0][1].done()):
                        yield earliest()
                while due:
                    yield earliest()
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)  # requests under way are paid: let them be stored

    def spent(self) -> Spent:
        """What this object sent, bought and reused so far."""
        state = self._state
        with state.lock:
            return Spent(
                **{name: state.counts[name] for name in _COUNTED}, cost=state.cost, rejected=dict(state.rejected)
            )

    # -- for those who send the requests themselves (`promvil_hf.fivl.with_ray`)

    def __copy__(self) -> "Endpoint":
        """It shares counts, cache and limits, and keeps its key."""
        same = object.__new__(type(self))
        for each in dataclasses.fields(self):
            object.__setattr__(same, each.name, getattr(self, each.name))
        return same

    def __reduce__(self) -> tuple:
        """In another process the key is that of the environment there: no pickle holds it."""
        if self.api_key.reveal() != Secret(None).reveal():
            raise ValueError(f"A key passed as api_key goes to no other process: pass it in {API_KEY_VARIABLE}.")
        names = (each.name for each in dataclasses.fields(self) if each.init and each.name != "api_key")
        settings = {name: getattr(self, name) for name in names} | {"cache_dir": Path(self.cache_dir).absolute()}
        return partial(Endpoint, **settings), ()

    def payload(self, messages: list[dict], schema: "type[BaseModel] | None" = None, in_words: bool = False) -> dict[str, Any]:
        """The body of the request for `messages`; `in_words` puts the schema into the prompt."""
        asked = {**self._sampling(), "stream": False}
        if schema is not None and in_words:
            messages = with_schema_in_words(messages, json_schema(schema))
        elif schema is not None:
            asked["response_format"] = response_format(schema)
        asked = {name: value for name, value in asked.items() if value is not None}
        return {"messages": messages, **asked, **(self.extra or {})}

    def headers(self) -> dict[str, str]:
        """Those of a request, the key among them."""
        key = self.api_key.reveal()
        return {
            "Content-Type": "application/json", "User-Agent": "promvil_hf", **({"Authorization": f"Bearer {key}"} if key else {})
        }  # fmt: skip

    def is_paid(self, messages: list[dict], schema: "type[BaseModel] | None" = None) -> bool:
        """Whether `ask` would answer without a request."""
        try:
            bought = self._state.store.read(self._key(messages, schema))
        except (OSError, ValueError):
            return True  # `ask` names the damaged file
        return self._from_store(bought, schema) is not None

    def keep(self, messages: list[dict], schema: "type[BaseModel] | None", body: bytes) -> bool:
        """Keep the answer in the body of a reply, so that `ask` finds it; False where it is no chat completion."""
        try:
            answer = self._to_store(read_completion(body))
        except ValueError:
            return False
        key = self._key(messages, schema)
        self._store(key, messages, schema, [*self._state.store.read(key), answer])
        return True

    # -- one prompt

    def _ask(
        self, messages: list[dict], schema: "type[BaseModel] | None", stop: threading.Event
    ) -> Answer | Unanswered:
        """Let one thread ask each prompt while the others that hold the same one wait for its result."""
        state = self._state
        try:
            key = self._key(messages, schema)
        except (TypeError, ValueError) as error:
            return self._count(Unanswered("unsendable", self.api_key.hide(f"the messages are no JSON: {error}")))
        while True:
            result, first = state.flights.do(key, lambda: self._ask_alone(key, messages, schema, stop))
            if first:
                return self._count(result)
            if not (isinstance(result, Rejected) and result.reason == "stopped"):  # that stop was another caller's
                return self._count(dataclasses.replace(result, requests=0, cached=True))

    def _ask_alone(
        self, key: str, messages: list[dict], schema: "type[BaseModel] | None", stop: threading.Event
    ) -> Answer | Unanswered:
        state, store = self._state, self._state.store
        try:
            bought = store.read(key)
        except (OSError, ValueError) as error:
            return Unanswered(
                "cache damaged", f"{store.path(key)} cannot be used ({type(error).__name__})", cached=True
            )
        if (found := self._from_store(bought, schema)) is not None:
            return found
        fingerprint = json.dumps(json_schema(schema), sort_keys=True)
        in_words = fingerprint in state.schemas_in_words
        last, tries, requests = Unanswered("stopped", "stopped before the first request"), 0, 0
        while tries < self.attempts:
            if state.closed is not None:
                return dataclasses.replace(state.closed, requests=requests)
            if not state.pace.wait(stop):
                return _stopped(last, requests)
            outcome = self._send(messages, schema, in_words)
            requests += 1
            if isinstance(outcome, dict):
                if in_words:
                    state.schemas_in_words.add(fingerprint)
                bought = [*bought, outcome]
                self._store(key, messages, schema, bought)
                last = self._result(bought, len(bought) - 1, schema, requests, cached=False)
                if self._settled(last, len(bought)):
                    return last
                tries += 1
                continue
            logger.debug("prompt %s, request %d: %s (%s)", key[:12], requests, outcome.reason, outcome.status)
            if outcome.status in (400, 422) and schema is not None and not in_words:
                in_words = True  # perhaps the server takes no response_format; the next request shows it
                continue
            tries += 1
            last = Unanswered(outcome.reason, f"{outcome.detail} (request {requests})", requests=requests)
            if outcome.reason == "unauthorized":
                state.closed = last
            if outcome.reason in _NEVER_AGAIN:
                return self._priced(last, bought)
            wait = min(self.longest_wait, self.first_wait * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)
            if outcome.wait is not None:
                if outcome.wait > self.longest_wait:
                    detail = f"the server asks to wait {outcome.wait:g} s; longest_wait is {self.longest_wait:g} s"
                    return self._priced(Unanswered(outcome.reason, detail, requests=requests), bought)
                state.pace.silence(outcome.wait)  # which holds this thread too
            if tries < self.attempts and stop.wait(wait):
                return _stopped(last, requests)
        return self._priced(last, bought)

    def _from_store(self, bought: list[dict], schema: "type[BaseModel] | None") -> Answer | Unanswered | None:
        """The result that needs no request; None where another answer may be bought."""
        kept = [self._result(bought, index, schema, requests=0, cached=True) for index in range(len(bought))]
        if answers := [result for result in kept if isinstance(result, Answer)]:
            return answers[-1]
        return kept[-1] if kept and self._settled(kept[-1], len(kept)) else None

    def _store(self, key: str, messages: list[dict], schema: "type[BaseModel] | None", bought: list[dict]) -> None:
        """Write down all answers to a prompt, of which the last is new."""
        self._state.store.write(key, {**self._provenance(messages, schema), "answers": bought})
        self._count_bought(bought[-1])

    def _settled(self, result: Answer | Unanswered, answers: int) -> bool:
        return isinstance(result, Answer) or result.reason in FINAL_ANSWERS or answers >= self.bad_answers

    def _result(
        self, bought: list[dict], index: int, schema: "type[BaseModel] | None", requests: int, cached: bool
    ) -> Answer | Unanswered:
        """What the stored answer at `index` is worth, with the price of all of them."""
        value = judged(bought[index], schema, self.max_chars)
        if isinstance(value, Rejected):
            result = Unanswered(value.reason, self.api_key.hide(value.detail), requests=requests, cached=cached)
        else:
            text, finish = whole_characters(bought[index]["text"]), bought[index]["finish_reason"]
            result = Answer(value, text, finish, 0, 0, 0.0, requests, cached)
        return self._priced(result, bought)

    def _priced(self, result: Answer | Unanswered, bought: list[dict]) -> Answer | Unanswered:
        if any(answer["prompt_tokens"] is None for answer in bought):
            return dataclasses.replace(result, prompt_tokens=None, completion_tokens=None, cost=None)
        prompt = sum(answer["prompt_tokens"] for answer in bought)
        completion = sum(answer["completion_tokens"] for answer in bought)
        cost = self._cost(prompt, completion)
        return dataclasses.replace(result, prompt_tokens=prompt, completion_tokens=completion, cost=cost)

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1_000_000

    # -- one request

    def _send(self, messages: list[dict], schema: "type[BaseModel] | None", in_words: bool) -> dict | Failure:
        """Post one request: the answer as it will be stored, or why there is none."""
        body = json.dumps(self.payload(messages, schema, in_words)).encode()
        with self._state.lock:
            self._state.counts["requests"] += 1
        try:
            # A character is at most 12 bytes of JSON; the rest is for what else stands in an answer.
            reply = post(completions_url(self.base_url), body, self.headers(), self.timeout, most=2**22 + 12 * self.max_chars)
            if not 200 <= reply.status < 300:
                return self._refusal(reply)
            return self._to_store(read_completion(reply.body))
        except TimeoutError:
            return Failure("timed out", f"no whole answer within {self.timeout:g} s")
        except TooLong as error:
            return Failure("too long", f"the server sent {error}")
        except OSError as error:
            return Failure("connection failed", self.api_key.hide(f"{type(error).__name__}: {error}"))
        except (Unreadable, ValueError) as error:
            return Failure("bad response", self.api_key.hide(f"no chat completion: {error}"))

    def _to_store(self, completion: Completion) -> dict:
        hide = self.api_key.hide
        text = hide(completion.text, limit=None)
        return {
            "text": text[: self.max_chars],
            "chars": len(text),
            "finish_reason": completion.finish_reason and hide(completion.finish_reason),
            "refusal": completion.refusal and hide(completion.refusal),
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
            "bought": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": urlsplit(self.base_url).netloc,
        }

    def _refusal(self, reply: Reply) -> Failure:
        status = reply.status
        headers = {name.lower(): value for name, value in reply.headers.items()}
        message = complaint(reply.body)
        if 300 <= status < 400:
            message = f"a redirect to {headers.get('location')}, which is not followed: pass that address if you trust it"
        detail = self.api_key.hide(f"the server answered {status}" + (f": {message}" if message else ""))
        reason = _REFUSALS.get(status, "server error" if status >= 500 else "refused")
        return Failure(reason, detail, retry_after(headers.get("retry-after")), status)

    # -- what is written down

    def _key(self, messages: list[dict], schema: "type[BaseModel] | None") -> str:
        """The digest that names this prompt in the cache."""
        return hashlib.sha256(self._content(messages, schema).encode()).hexdigest()

    def _content(self, messages: list[dict], schema: "type[BaseModel] | None") -> str:
        """The text whose digest names this prompt in the cache."""
        if not messages or not all(isinstance(message, dict) for message in messages):
            raise ValueError("expected a non-empty list of message dicts")
        extra = dict(self.extra) if self.extra else None
        asked = {"messages": messages, "schema": json_schema(schema), "extra": extra, **self._sampling()}
        return json.dumps(asked, sort_keys=True, ensure_ascii=False, allow_nan=False)

    def _sampling(self) -> dict:
        return {name: getattr(self, name) for name in ("model", "temperature", "max_tokens", "seed")}

    def _provenance(self, messages: list[dict], schema: "type[BaseModel] | None") -> dict:
        """What a person finds beside the stored answers: the request, with images as digests."""
        shown = json.loads(self.api_key.hide(self._content(without_images(messages), schema), limit=None))
        return {"version": 1, "request": shown}

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

    def _count(self, result: Answer | Unanswered) -> Answer | Unanswered:
        with self._state.lock:
            if isinstance(result, Rejected):
                self._state.rejected[result.reason] += 1
            elif result.cached:
                self._state.counts["reused"] += 1
        return result


def _stopped(last: Unanswered, requests: int) -> Unanswered:
    return Unanswered("stopped", f"stopped while waiting; before that: {last.detail}", requests=requests)
