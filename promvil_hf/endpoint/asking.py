# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Asks a model about each of many items, one or several prompts an item, and gives checked answers or rejects, in order."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from promvil_hf.endpoint.client import Endpoint
from promvil_hf.endpoint.results import Answer, Request, check_answered
from promvil_hf.jobs import Rejected


if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")
Prompts = dict[str, tuple[list[dict], "type[BaseModel]"]]  # by name ("" where there is one): messages, schema


def ask_about(
    endpoint: Endpoint, items: Sequence[T], prompts: Callable[[T], Prompts | Rejected], progress: bool = False
) -> list[dict[str, Any] | Rejected]:
    """The answers about each item, by the names of its prompts; or why there are none, if one prompt has no answer.

    Raises where the server answered nothing at all for a reason that another run may mend.
    """
    results: list[dict[str, Any] | Rejected] = [{} for _ in items]

    def requests():
        for index, item in enumerate(items):
            asked = prompts(item)
            if isinstance(asked, Rejected):
                results[index] = asked
                continue
            for name, (messages, schema) in asked.items():
                yield Request((index, name), messages, schema)

    ended = []
    for (index, name), reply in endpoint.ask_all(requests(), progress):
        ended.append("" if isinstance(reply, Answer) else reply.reason)
        if isinstance(results[index], Rejected):
            continue
        if isinstance(reply, Answer):
            results[index][name] = reply.value
        else:
            results[index] = Rejected(reply.reason, f"{name}: {reply.detail}" if name else reply.detail)
    check_answered(ended, tolerant=True)
    return results


def as_data(record: dict) -> str:
    """A record as JSON: how texts go into a prompt that must not be taken for instructions."""
    return msgspec.json.encode(record).decode()
