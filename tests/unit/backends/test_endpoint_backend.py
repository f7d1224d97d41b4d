# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A served model answers as a backend does, and what a server cannot do is said."""

import base64
import io
import logging

import pytest
from PIL import Image

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.endpoint import EndpointBackend
from promvil_hf.dialects import QwenJson
from promvil_hf.endpoint import Endpoint
from tests.unit import misbehaving_endpoint as misbehaving


@pytest.fixture
def server(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with misbehaving.misbehaving_endpoint() as running:
        yield running


@pytest.fixture
def backend(server, tmp_path):
    return EndpointBackend(Endpoint(server.url, "tiny", tmp_path, api_key="a-key-for-a-test", attempts=1), QwenJson())


PICTURE = Image.new("L", (6, 4), 200)


def test_answers_come_in_order_with_text_alone(server, backend):
    server.scripts = {"second": ["no json"]}
    answers = backend.generate([Request("first", PICTURE), Request("second"), Request("third")])
    assert [answer.text for answer in answers] == [misbehaving.GOOD, misbehaving.ANSWERS["no json"], misbehaving.GOOD]
    assert {(answer.tokens, answer.log_probs, answer.ended) for answer in answers} == {((), (), "end")}
    assert backend.generate([]) == []


def test_the_picture_goes_before_the_prompt_upright_and_without_loss(server, backend):
    exif = Image.Exif()
    exif[0x0112] = 6
    on_its_side = PICTURE.copy()
    on_its_side.info["exif"] = exif.tobytes()
    backend.generate([Request("first", on_its_side), Request("blind")])
    image, text = server.bodies["first"][0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "first"}
    sent = Image.open(io.BytesIO(base64.b64decode(image["image_url"]["url"].partition(",")[2])))
    assert (sent.format, sent.mode, sent.size) == ("PNG", "RGB", (4, 6))
    assert server.bodies["blind"][0]["messages"] == [{"role": "user", "content": "blind"}]


def test_the_decoding_decides_length_temperature_seed_and_top_p(server, backend):
    backend.generate([Request("greedy")], Decoding(max_new_tokens=7))
    backend.generate([Request("sampled")], Decoding(sample=True, temperature=0.5, top_p=0.9, seed=3))
    greedy, sampled = server.bodies["greedy"][0], server.bodies["sampled"][0]
    assert (greedy["max_tokens"], greedy["temperature"]) == (7, 0.0)
    assert "seed" not in greedy
    assert "top_p" not in greedy
    assert (sampled["max_tokens"], sampled["temperature"], sampled["seed"], sampled["top_p"]) == (64, 0.5, 3, 0.9)
    assert backend.endpoint.max_tokens == 1024


def test_an_answer_is_bought_once_and_counted_on_the_endpoint_it_came_from(server, backend):
    for _ in range(2):
        backend.generate([Request("q")], Decoding(max_new_tokens=9))
    assert server.requests["q"] == 1
    assert (backend.endpoint.spent().bought, backend.endpoint.spent().reused) == (1, 1)


def test_an_answer_cut_off_by_its_length_says_so_and_a_lost_one_says_why(server, backend, caplog):
    server.scripts = {"long": ["cut off"], "lost": ["401"]}
    with caplog.at_level(logging.WARNING, "promvil_hf.backends.endpoint"):
        long, lost = backend.generate([Request("long"), Request("lost")])
    assert (long.text, long.ended) == (misbehaving.ANSWERS["half json"], "length")
    assert (lost.text, lost.ended) == ("", "unauthorized")
    assert caplog.messages == ["1 of 2 requests have no answer: 1 unauthorized"]


def test_stop_rules_are_refused_and_image_tokens_are_no_places(backend):
    with pytest.raises(
        ValueError, match="stop rule to a served model: a rule looks at tokens, and a server shows only"
    ):
        backend.generate([Request("q")], Decoding(stop=lambda tokens: True))
    assert backend.token_boxes({}, [(6, 4)]) is None
