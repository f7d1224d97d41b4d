# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reads the JSON a model was asked for through whatever it wrote around it, or says why there is none.

Linear in the length of the answer, without recursion: answers are hostile.
"""

import re
from typing import TYPE_CHECKING, Any

from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.jobs import Rejected


if TYPE_CHECKING:
    from pydantic import BaseModel

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

    fragments, unclosed = _bracketed(answer_of(text)[0])
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


def judged(bought: dict, schema: "type[BaseModel] | None", max_chars: int) -> Any:
    """The value of a stored answer, or `Rejected`."""
    text, cut = bought["text"], bought["finish_reason"] == "length"
    if bought["chars"] > max_chars:
        return Rejected("too long", f"{bought['chars']} characters, more than max_chars={max_chars}")
    if bought["finish_reason"] == "content_filter" or bought["refusal"]:
        return Rejected("declined", bought["refusal"] or "the server's content filter stopped the answer")
    if not text.strip():
        return Rejected("cut off" if cut else "empty answer", f"finish_reason is {bought['finish_reason']!r}")
    if schema is None:
        return whole_characters(text)
    value = read_structured(text, schema)
    if isinstance(value, Rejected) and cut:
        return Rejected("cut off", f"max_tokens was reached: {value.detail}")
    return value


def whole_characters(text: str) -> str:
    """The text with a replacement character for each half of a surrogate pair, which no file could hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
