# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from promvil_hf.compovl.compose import compose
from promvil_hf.compovl.phrase_writer import (
    HEAD_NOT_FIRST,
    MORE_THAN_GIVEN,
    PART_NOT_QUOTED,
    TOO_LONG,
    EndpointWriter,
    check,
    messages_for,
    rewritten,
)
from promvil_hf.compovl.scene_graph import Region, Relation, SceneGraph, Thing
from promvil_hf.endpoint import Endpoint
from promvil_hf.jobs import JobError


@pytest.fixture
def chain():
    """the man with the beard and holding the camera"""
    things = {k: Thing(k, (name,), (k / 50, 0.1, k / 50 + 0.1, 0.9)) for k, name in enumerate(("man", "beard", "camera"), 1)}
    relations = Relation(1, 1, "has", 2), Relation(2, 1, "holding", 3)
    regions = Region(5, "A man with a beard", (0, 0, 1, 1), (1, 2), relations[:1])
    graph = SceneGraph(1, 9, 9, "p", "", None, things, relations, (regions,), (), {})
    (found,) = (one for one in compose(graph).chains if one.level == 3)
    return found


@pytest.mark.parametrize(
    ("phrase", "mentions"),
    [
        ("the man holding the camera with the beard", PART_NOT_QUOTED),  # "man with the beard" is torn apart
        ("a man with the beard holding a camera", ["a man with the beard", "a camera"]),
        ("the man with the beard who is holding the camera", ["the man with the beard", "the camera"]),
        ("the camera of the man with the beard", HEAD_NOT_FIRST),
        ("the tall man with the beard holding the camera", MORE_THAN_GIVEN),
        ("the man with the beard holding the camera near the dog", MORE_THAN_GIVEN),
        ("the man with the beard", PART_NOT_QUOTED),
        ("the beard and the camera", HEAD_NOT_FIRST),
        ("the man with the beard holding the camera " + "of the man " * 6, TOO_LONG),
        ("", HEAD_NOT_FIRST),
    ],
)
def test_an_answer_is_taken_only_if_it_says_what_was_given(chain, phrase, mentions):
    assert chain.expression == "the man with the beard and holding the camera"
    assert check(chain, phrase) == mentions


def test_a_good_answer_rewords_the_whole_and_nothing_else(chain):
    new = rewritten(chain, "  The man with the beard  who is holding a camera. ", "a-model")
    assert new.writer == "a-model"
    assert new.expression == new.steps[-1].text == "the man with the beard who is holding a camera"
    assert new.steps[-1].mentions == ("the man with the beard", "a camera")
    assert new.steps[:-1] == chain.steps[:-1] and new.steps[-1].boxes == chain.steps[-1].boxes
    assert all(mention in new.expression for mention in new.steps[-1].mentions)


def test_a_bad_answer_leaves_the_grammar_and_the_reason(chain):
    kept = rewritten(chain, "a red bus", "a-model")
    assert kept.expression == chain.expression and kept.writer == f"grammar ({MORE_THAN_GIVEN})"


def test_the_prompt_has_the_head_the_parts_and_the_phrases(chain):
    system, user = messages_for(chain)
    assert 'about "man"' in system["content"] and '"man' in system["content"]
    assert "A man with a beard" in user["content"] and chain.expression in user["content"]


def served(answer, status=200):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
            usage = {"prompt_tokens": 1, "completion_tokens": 1}
            body = {"id": "x", "model": "m", "created": 0, "choices": [choice], "usage": usage}
            data = json.dumps(body if status == 200 else {"error": {"message": "no"}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize("answer", ["good", "bad", "no json"])
def test_an_endpoint_words_what_it_can(chain, tmp_path, answer):
    phrase = {"good": "the man with the beard holding the camera", "bad": "a purple bus"}.get(answer)
    server = served(json.dumps({"phrase": phrase}) if phrase else "I would rather not")
    try:
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "m", tmp_path, attempts=1, bad_answers=1)
        first, second = EndpointWriter(endpoint)([chain, chain])
    finally:
        server.shutdown()
        server.server_close()
    assert first == second
    assert first.writer == {"good": "m", "bad": f"grammar ({MORE_THAN_GIVEN})", "no json": "grammar (no json)"}[answer]
    assert (first.expression == chain.expression) == (answer != "good")


def test_an_endpoint_that_refuses_the_key_stops_the_build(chain, tmp_path):
    server = served("", 401)
    try:
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "m", tmp_path, attempts=1)
        with pytest.raises(JobError, match="The model m does not answer"):
            EndpointWriter(endpoint)([chain])
    finally:
        server.shutdown()
        server.server_close()
