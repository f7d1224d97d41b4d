# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Messages of a chat, pictures included, and the ways to ask for an answer that fits a pydantic schema.

Pictures and schemas are imported only when used.
"""

import base64
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import BaseModel


def image_part(image: "Image | str | Path") -> dict:
    """The message part that shows `image`: a PIL image (sent as lossless PNG), a path, a data URL or a web address.

    A picture that programs may show differently (turned by EXIF, transparent, 16 bits) is sent as `read_image` gives it.
    """
    if isinstance(image, str) and image.startswith(("data:", "http://", "https://")):
        url = image
    else:
        from promvil_hf.images import image_bytes

        data, mime = image_bytes(image)
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


def without_images(value: Any) -> Any:
    """`value` with each data URL replaced by its digest: what the stored file shows of the request."""
    if isinstance(value, dict):
        return {key: without_images(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_images(item) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return value


def with_schema_in_words(messages: list[dict], schema: dict) -> list[dict]:
    """`messages` asking for the schema in plain words, for servers that take no `response_format`."""
    words = f"Answer with one JSON value that fits this JSON schema, and with nothing else:\n{json.dumps(schema)}"
    *earlier, last = messages
    if last.get("role") != "user":
        return [*messages, user(words)]
    content = last["content"]
    both = f"{content}\n\n{words}" if isinstance(content, str) else [*content, {"type": "text", "text": words}]
    return [*earlier, {**last, "content": both}]


@functools.lru_cache(maxsize=64)
def json_schema(schema: "type[BaseModel] | None") -> dict | None:
    return None if schema is None else schema.model_json_schema()


def response_format(schema: "type[BaseModel]") -> dict:
    """OpenAI's `response_format` for a pydantic model."""
    name = re.sub(r"\W", "_", schema.__name__, flags=re.ASCII)[:64]
    written = json_schema(schema)
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
