# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every kind of answer of a model or a server: what is written never raises, it is a value or a reason."""

import json
import shutil
from pathlib import Path

from promvil_hf.compovl import phrase_writer
from promvil_hf.compovl.chains import Chain, Step
from promvil_hf.dialects import Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.endpoint import REASONS, Answer, client, pace, transport, user
from promvil_hf.endpoint.client import Endpoint
from promvil_hf.endpoint.completions import complaint, read_completion
from promvil_hf.endpoint.reading import read_structured
from promvil_hf.evaluation import text_scores as metrics
from promvil_hf.fivl import judge
from promvil_hf.fivl.extraction import filtered
from promvil_hf.fivl.extraction import schema as key_schema
from promvil_hf.job_files import encoded
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import Turn
from promvil_hf.metrics.answers import read_texts
from promvil_hf.nesting.decomposers import NestingError, decompose, endpoint_decomposer
from promvil_hf.rewards import chain_reward, iou_reward, parse_reward
from promvil_hf.tasks import grounding, yes_no
from tests.mutations.files_of_benchmarks import FEW, GQA_TYPES
from tests.mutations.running import Kind


SIZE = (640, 427)
EXPRESSION = "the man in a hat beside the red bus"
DIALECTS = {
    "kosmos2": (
        Kosmos2(),
        "<grounding> It is <phrase>a red bus</phrase><object><patch_index_0034><patch_index_0519></object>.",
    ),
    "qwen_json": (QwenJson(), '```json\n[{"bbox_2d": [10, 20, 300, 400], "label": "a red bus"}]\n```'),
    "llava_brackets": (LlavaBrackets(), "a red bus [0.10, 0.20, 0.50, 0.75] and a man [0.1, 0.2, 0.3, 0.4]"),
    "paligemma_loc": (
        PaliGemmaLoc(),
        "<loc0100><loc0200><loc0500><loc0700> a red bus ; <loc0001><loc0002><loc0003><loc0004> man",
    ),
}
COMPLETION = {
    "id": "x",
    "model": "m",
    "created": 0,
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a red bus"}}],
}
KEYS = {"key_expressions": ["red bus", "a tree", "red bus"]}
PHRASES = {
    "phrases": [
        {"text": "a hat", "head": "hat"},
        {"text": "the red bus", "head": "bus"},
        {"text": EXPRESSION, "head": "man"},
    ]
}


def answer(text: str | bytes, form: str, read) -> Kind:
    """An answer as text; bytes that are no UTF-8 reach a reader as what a server's JSON would give."""
    data = text if isinstance(text, bytes) else text.encode()

    def reading(folder: Path) -> None:
        read((folder / "answer").read_bytes())

    return Kind(lambda: {"answer": (data, form)}, reading)


def _dialect(dialect):
    spoken = {
        "Kosmos2": "kosmos2",
        "QwenJson": "qwen_json",
        "LlavaBrackets": "llava_brackets",
        "PaliGemmaLoc": "paligemma_loc",
    }

    def reading(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        parsed = dialect.parse(text, image_size=SIZE)
        assert parsed.ok == (parsed.reason is None)
        read_texts([text], dialect, [SIZE])
        gold = [[0.1, 0.2, 0.5, 0.7]]
        steps = [{"text": "a red bus", "level": 1, "boxes": gold}]
        name = spoken[type(dialect).__name__]
        iou_reward(name)([text], image_size=[SIZE], boxes=[gold])
        parse_reward(name)([text], image_size=[SIZE])
        chain_reward(name)([text], image_size=[SIZE], steps=[steps])
        encoded("key", {"text": text, "boxes": [list(box.xyxy) for box in parsed.boxes]})

    return reading


def _refusable(read):
    """Reads what raises ValueError for a server's body, which the client turns into a reason."""

    def reading(data: bytes) -> None:
        try:
            read(data)
        except ValueError as error:
            assert str(error)

    return reading


def _completion(data: bytes) -> None:
    complaint(data)
    _refusable(read_completion)(data)


def _structured(schema, use):
    def reading(data: bytes) -> None:
        found = read_structured(data.decode("utf-8", "surrogateescape"), schema)
        if isinstance(found, Rejected):
            encoded("key", found)
        else:
            use(found)

    return reading


def _keys(found) -> None:
    kept, dropped = filtered(found.key_expressions, Turn(0, "What is it?", "A red bus and a tree."))
    encoded("key", {"phrases": [each.text for each in kept], "dropped": dropped})


def _nested(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        endpoint_decomposer(lambda prompt: text)(EXPRESSION)
    except NestingError as error:
        assert str(error)
    endpoint_decomposer(lambda prompt: text, decompose)(EXPRESSION)


def _judged(found) -> None:
    encoded("key", found.model_dump())


CHAIN = Chain(
    "the man with the hat",
    2,
    [
        Step("the hat", 1, "hat", ((0.1, 0.1, 0.2, 0.2),), (1,), (), (), (), False),
        Step("the man with the hat", 2, "man", ((0.1, 0.1, 0.5, 0.5),), (2,), (0,), ("the hat",), (1,), False),
    ],
    "graph",
    0,
    False,
    ("man", "hat", "man with hat"),
    (1,),
)


def _written(data: bytes) -> None:
    found = read_structured(data.decode("utf-8", "surrogateescape"), phrase_writer._schema())
    if not isinstance(found, Rejected):
        encoded("key", {"expression": phrase_writer.rewritten(CHAIN, found.phrase, "m").expression})


def _harness(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    document = {
        "id": "1",
        "text": "a bus",
        "level": 1,
        "boxes": [[0.1, 0.2, 0.5, 0.7]],
        "evidence": [],
        "image_size": list(SIZE),
    }
    grounding.score([grounding.judge(document, text)])
    yes_no.score([yes_no.process_results({"question_id": 1, "answer": "yes"}, [text])["promvil_f1"]])


SCORED = {
    "gqa": lambda text: metrics.gqa_scores(
        [text],
        {
            "q": {
                "answer": "yes",
                "types": GQA_TYPES,
                "semantic": [],
                "groups": {"global": None},
                "entailed": [],
                "question": "?",
                "imageId": "1",
                "isBalanced": True,
            }
        },
        resampling=FEW,
    ),
    "pope": lambda text: metrics.pope_scores([text], ["yes"], ALONE),
    "vqa": lambda text: metrics.vqa_scores([text], [("2", "two")], ALONE),
    "true_false": lambda text: metrics.true_false_scores([text], [True], ALONE),
    "choice": lambda text: metrics.picked_scores([text], [("a", "b")], [1], ALONE),
    "one_word": lambda text: metrics.picked_scores([text], [("yes", "no")], [1], ALONE, words=True),
}
ALONE = metrics.Grouping(["1"], [None], resampling=FEW)


def _scored(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for score in SCORED.values():
        json.dumps(score(text).to_dict())


def _served(folder: Path) -> None:
    """A whole reply of a server, from the wire to the store and back."""
    status, _, rest = (folder / "answer").read_bytes().partition(b" ")
    header, _, body = rest.partition(b"\n")
    number = int(status) if status.isdigit() and len(status) == 3 else 200
    asked = Endpoint(
        "http://127.0.0.1:9/v1",
        "m",
        folder / "answers",
        attempts=1,
        first_wait=0.0,
        longest_wait=0.0,
        prompt_price=1.0,
    )
    reply = transport.Reply(number, {"Retry-After": header.decode("latin-1")}, body)
    before, client.post = client.post, lambda *_, **__: reply
    try:
        for schema in (None, judge._schemas()["crop"]):
            first, again = asked.ask([user("?")], schema), asked.ask([user("?")], schema)
            assert again.cached or not isinstance(first, Answer)
            for result in (first, again):
                encoded("key", {"text": result.text} if isinstance(result, Answer) else result)
                assert not isinstance(result, Rejected) or result.reason in REASONS
        str(asked.spent())
    finally:
        client.post = before
        shutil.rmtree(folder / "answers", ignore_errors=True)


SERVED = (
    b"200 5\n"
    + json.dumps(
        COMPLETION | {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": '{"visible": true}'}}]}
    ).encode()
)
REFUSED = b'429 Mon, 30 Nov 2026 00:00:30 GMT\n{"error": {"message": "slow down", "code": 429}}'
SCHEMAS = {
    "key expressions": (key_schema(), _keys, KEYS),
    "importance": (judge._schemas()["importance"], _judged, {"important": True, "score": 7}),
    "crop": (judge._schemas()["crop"], _judged, {"visible": False}),
}
ANSWERS = {
    **{f"dialect {name}": answer(text, "bytes", _dialect(spoken)) for name, (spoken, text) in DIALECTS.items()},
    "dialect qwen_json as JSON": answer(
        json.dumps([{"bbox_2d": [10, 20, 300, 400], "label": "a red bus"}]), "json", _dialect(QwenJson())
    ),
    "completion": answer(json.dumps(COMPLETION), "json", _completion),
    "reply of a server": Kind(lambda: {"answer": (SERVED, "bytes")}, _served),
    "refusal of a server": Kind(lambda: {"answer": (REFUSED, "bytes")}, _served),
    "retry-after": answer(
        "Mon, 30 Nov 2026 00:00:30 GMT", "bytes", lambda data: pace.retry_after(data.decode("latin-1"))
    ),
    **{
        f"answer of {name}": answer(json.dumps(value), "json", _structured(schema, use))
        for name, (schema, use, value) in SCHEMAS.items()
    },
    "answer of key expressions in prose": answer(
        f"Sure:\n```json\n{json.dumps(KEYS)}\n```", "bytes", _structured(key_schema(), _keys)
    ),
    "answer of a decomposition": answer(json.dumps(PHRASES), "json", _nested),
    "answer of a phrase writer": answer(json.dumps({"phrase": "the man with the hat"}), "json", _written),
    "answer in a harness": answer("[0.1, 0.2, 0.5, 0.7] yes", "bytes", _harness),
    "answer to a question": answer("Yes, 2 of them (B).", "bytes", _scored),
}
