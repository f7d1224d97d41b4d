# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""OpenAI's chat completions as servers really send them: the address, an answer, a complaint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from promvil_hf.endpoint.reading import whole_characters
from promvil_hf.endpoint.store import tokens
from promvil_hf.json_records import shown


@dataclass(frozen=True, slots=True)
class Completion:
    """What an answer holds that is worth keeping. The counts are None where the server does not report both."""

    text: str
    finish_reason: str | None
    refusal: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


def completions_url(base_url: str) -> str:
    """Where chat completions are asked for. `/v1` is added where it is missing.

    >>> completions_url("http://localhost:8000")
    'http://localhost:8000/v1/chat/completions'
    """
    address = urlsplit(base_url)
    path = address.path.rstrip("/").removesuffix("/chat/completions")
    path = path if path.endswith("/v1") or address.path.rstrip("/") != path else f"{path}/v1"
    return address._replace(path=f"{path}/chat/completions").geturl()


def read_completion(body: bytes) -> Completion:
    """The answer in the body of a reply, or ValueError where it is no chat completion."""
    found = _object(_value(body))
    choices = found.get("choices")
    if not isinstance(choices, list):
        raise ValueError(f"there are no choices in it; error: {shown(found.get('error'))}")
    if choices and not isinstance(choices[0], Mapping):
        raise ValueError(f"its first choice is {shown(choices[0])}")
    choice = choices[0] if choices else {}
    if not isinstance(choice.get("message", {}), Mapping):
        raise ValueError(f"its message is {shown(choice['message'])}")
    message, usage = _object(choice.get("message")), _object(found.get("usage"))
    counts = [tokens(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    return Completion(
        _text(message.get("content")) or "",
        _word(choice.get("finish_reason")),
        _word(message.get("refusal")),
        *([None, None] if None in counts else counts),
    )


def complaint(body: bytes) -> str:
    """What a refusal says, on one line; nothing where it says nothing that can be read."""
    try:
        found = _value(body)
    except ValueError:
        return ""
    error = _object(found).get("error", found)
    message = _object(error).get("message", error)
    return " ".join(whole_characters(message if isinstance(message, str) else shown(message)).split())


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(content: Any) -> str | None:
    if isinstance(content, list):  # some servers answer in parts
        parts = [_object(part).get("text") or "" for part in content]
        content = "".join(parts) if all(isinstance(part, str) for part in parts) else content
    if not isinstance(content, str | None):
        raise ValueError(f"its content is {shown(content)}")
    return content


def _word(value: Any) -> str | None:
    return whole_characters(value) if isinstance(value, str) else None
