# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client: the key stays secret, images travel, and wrong settings are refused in a sentence."""

import base64
import io
import json
import logging
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import pytest
from PIL import Image

from promvil_hf.endpoint import Endpoint, image_part, user
from tests.unit import misbehaving_endpoint as misbehaving
from tests.unit.endpoint.asked import KEY, REPOSITORY, Phrases, stored


# -- the key


def test_the_key_appears_nowhere_but_at_the_server(server, endpoint, caplog, capfd, monkeypatch):
    caplog.set_level(logging.DEBUG)
    acts = ["good", "echo key", "say key", "401", "500", "reset", "html", "half json", "hang"]
    server.scripts = {act: [act] * 9 for act in acts}
    everything = []
    for act in acts:
        asked = endpoint(attempts=2, timeout=0.2)
        for schema in (None, Phrases):
            everything += [repr(asked), str(asked.spent()), repr(asked.ask([user(act)], schema))]
    everything.append(repr(endpoint().ask([user(f"{KEY} in the prompt")])))
    for crash in [
        lambda: endpoint(base_url="ftp://example.org"),
        lambda: endpoint(attempts=0),
        lambda: list(endpoint().ask_all([None])),
    ]:
        with pytest.raises((ValueError, AttributeError)) as error:
            crash()
        crash_report = traceback.TracebackException.from_exception(error.value, capture_locals=True)
        ours = [repr(frame.locals) for frame in crash_report.stack if "promvil_hf" in frame.filename]
        everything += [str(error.value), *ours]
    assert any(KEY in (authorization or "") for authorization in server.authorizations)
    assert any("server error" in record.getMessage() for record in caplog.records)
    ours = [record for record in caplog.records if record.name.startswith("promvil_hf")]
    everything += [record.getMessage() + repr(record.__dict__) for record in ours]
    everything += [record.getMessage() for record in caplog.records]
    everything += [path.read_text() for path in Path(endpoint().cache_dir).rglob("*") if path.is_file()]
    everything += capfd.readouterr()
    assert len(everything) > 60
    assert not [text for text in everything if KEY in text]
    with pytest.raises(ValueError) as error:
        endpoint(base_url=f"https://user:{KEY}@example.org/v1")
    assert KEY not in str(error.value)


def test_the_key_comes_from_its_own_variable_and_no_other_token_is_sent(server, endpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_machine")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    endpoint(api_key=None).ask([user("without")])
    monkeypatch.setenv("PROMVIL_API_KEY", KEY)
    endpoint(api_key=None).ask([user("with")])
    assert server.authorizations == [None, f"Bearer {KEY}"]


def test_a_placeholder_key_does_not_eat_words_of_the_answer(server, endpoint):
    server.default = ["no json"]
    assert endpoint(api_key="use").ask([user("q")]).text == misbehaving.ANSWERS["no json"]


# -- images


def test_images_travel_as_data_urls_and_the_store_keeps_their_digests(server, endpoint, tmp_path):
    picture = Image.new("RGB", (30, 20), "teal")
    path = tmp_path / "picture.jpg"
    picture.save(path)
    endpoint().ask([user("q", picture, path, str(path), "https://example.org/x.png")])
    parts = server.bodies["q"][0]["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts[:-1]]
    assert parts[-1] == {"type": "text", "text": "q"}
    assert urls[0].startswith("data:image/png;base64,")
    sent = Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2])))
    assert sent.tobytes() == picture.tobytes()
    assert urls[1] == urls[2] == f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
    assert urls[3] == "https://example.org/x.png"
    (file,) = stored(endpoint())
    assert "base64" not in file.read_text()
    assert file.read_text().count("sha256:") == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F", "I"])
def test_pictures_of_every_mode_can_be_sent(mode):
    assert image_part(Image.new(mode, (3, 2)))["image_url"]["url"].startswith("data:image/png;base64,")


# -- errors for people


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "localhost:8000/v1"}, "You passed base_url='localhost:8000/v1', which is no web address. Pass"),
        ({"base_url": "https://me:pw@example.org/v1"}, "holds a user name or password, which would end up in logs"),
        ({"attempts": 0}, "You passed attempts=0. It must be 1 or more."),
        ({"concurrency": 500}, "You passed concurrency=500. It must lie between 1 and 100"),
        ({"requests_per_minute": 0}, "You passed requests_per_minute=0. Pass a positive number, or None"),
    ],
)
def test_wrong_settings_say_what_to_do(tmp_path, settings, message):
    with pytest.raises(ValueError) as error:
        Endpoint(**{"base_url": "http://127.0.0.1/v1", "model": "m", "cache_dir": tmp_path, **settings})
    assert message in str(error.value)


def test_offline_mode_of_the_hub_does_not_keep_a_server_from_being_asked(server, endpoint, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert endpoint().ask([user("known")]).text == misbehaving.GOOD


def test_importing_the_endpoint_loads_no_client():
    code = "import promvil_hf.endpoint, sys; sys.exit(bool({'huggingface_hub', 'pydantic', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0
    meta = code.replace("promvil_hf.endpoint,", "promvil_hf.endpoint, huggingface_hub,")
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(meta)], cwd=REPOSITORY).returncode == 1


def test_a_key_goes_into_no_pickle(endpoint, monkeypatch):
    import pickle

    with pytest.raises(ValueError, match="A key passed as api_key goes to no other process: pass it in PROMVIL_API_KEY"):
        pickle.dumps(endpoint())
    monkeypatch.setenv("PROMVIL_API_KEY", KEY)
    asked = endpoint(api_key=None, attempts=3)
    written = pickle.dumps(asked)
    assert KEY.encode() not in written
    again = pickle.loads(written)
    assert again.attempts == 3 and again.headers() == asked.headers() and KEY in again.headers()["Authorization"]


def test_an_answer_that_others_sent_for_is_found_and_bought_no_more(server, endpoint):
    asked, messages = endpoint(), [user("q")]
    assert not asked.is_paid(messages, Phrases) and not asked.keep(messages, Phrases, b"<html>")
    for text in ("no brackets", misbehaving.GOOD):
        assert not asked.is_paid(messages, Phrases)
        assert asked.keep(messages, Phrases, json.dumps({"choices": [{"message": {"content": text}}]}).encode())
    assert asked.is_paid(messages, Phrases) and not asked.is_paid(messages)
    assert endpoint().ask(messages, Phrases).value.count == 2
    assert asked.payload(messages, Phrases)["messages"] == messages and not server.requests
