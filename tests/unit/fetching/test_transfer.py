# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whatever a server does, in the end the right bytes lie there, or there is a sentence and no file."""

import random
from hashlib import md5, sha256

import pytest

from promvil_hf.fetching.transfer import OVERLAP, Expected, Patience, download
from tests.unit.file_server import file_server


DATA = b'{"rows": "' + random.Random(0).randbytes(40_000).hex().encode() + b'"}\n'  # 80 kB of JSON
OTHER = b'{"rows": "' + random.Random(1).randbytes(40_000).hex().encode() + b'"}\n'
SUM = f"sha256:{sha256(DATA).hexdigest()}"
PATIENCE = Patience(tries=4, timeout=120.0, first=0.0)


@pytest.fixture
def server():
    with file_server() as running:
        running.files = {"/a.json": DATA, "/b.json": DATA}
        running.later = {"/a.json": OTHER}
        yield running


def got(server, tmp_path, *acts, expected=Expected(), urls=("/a.json",), waits=None):  # noqa: B008
    server.scripts["/a.json"] = list(acts)
    place = tmp_path / "a.json"
    wait = (lambda seconds: None) if waits is None else waits.append
    came = download([server.url + url for url in urls], place, expected, PATIENCE, shown=False, wait=wait)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json"]
    assert came["size"] == place.stat().st_size and came["sha256"] == sha256(place.read_bytes()).hexdigest()
    return place.read_bytes()


@pytest.mark.parametrize(
    "acts",
    [
        ["good"],
        ["drop:30000", "drop:20000"],
        ["drop:0", "drop:1", "drop:3"],  # less than is compared
        ["drop:70000", "without ranges"],
        ["drop without ranges:50000", "drop without ranges:60000"],
        ["drop without validators:50000", "without validators"],
        ["chunked"],
        ["chunked:40000"],
        ["until it closes"],
        ["refuse:503", "refuse:429", "drop:30000", "refuse:500"],
        ["hang up", "hang up", "hang up"],
        ["promises more"],
        ["redirect:/b.json"],
        ["drop:30000", "redirect:/b.json"],
    ],
    ids=str,
)
def test_the_whole_file_comes_in_the_end(server, tmp_path, acts):
    assert got(server, tmp_path, *acts) == DATA


def test_what_came_is_not_asked_for_again(server, tmp_path):
    got(server, tmp_path, "drop:50000")
    assert server.asked["/a.json"] == ["", f"bytes={50_000 - OVERLAP}-"]
    assert server.sent["/a.json"] == len(DATA) + OVERLAP


def test_a_second_run_goes_on_where_the_first_gave_up(server, tmp_path):
    with pytest.raises(ValueError, match="4 tries in a row brought nothing new. What came is kept [(]50 kB[)]"):
        got(server, tmp_path, "drop:50000", "hang up", "hang up", "hang up", "hang up")
    assert not (tmp_path / "a.json").exists()
    assert got(server, tmp_path, *["hang up"] * 5) == DATA  # all of them were used up before
    assert server.asked["/a.json"][-1] == f"bytes={50_000 - OVERLAP}-"


@pytest.mark.parametrize(
    "acts",
    [
        ["drop:50000", "changed:good"],
        ["drop:50000", "changed:without ranges"],
        ["drop:50000", "changed:without if range"],  # only the tag shows it
        ["drop without validators:50000", "changed:without validators"],  # only the overlap shows it
        ["drop:50000", "refuse:503", "changed:good"],
    ],
    ids=str,
)
def test_a_file_that_changes_meanwhile_is_never_mixed(server, tmp_path, acts):
    assert got(server, tmp_path, *acts) == OTHER


def test_a_file_that_shrank_is_begun_anew(server, tmp_path):
    server.later["/a.json"] = b'{"rows": []}'
    assert got(server, tmp_path, "drop:50000", "changed:without if range") == b'{"rows": []}'


@pytest.mark.parametrize(
    "acts, sentence",
    [
        (["promises less"], "it does not begin and end as a .json file does"),
        (["until it closes:50000"], "it does not begin and end as a .json file does"),
        (["page"], "it is a web page, as servers send where one must log in"),
        (["packed"], "sends the file packed as gzip"),
        (["refuse:403"], "answers 403"),
        (["refuse for an hour:429"], "asks to be left alone for 3,600 seconds"),
        (["drop:50000", "other part"], "sends another part of the file than the one asked for"),
        (["hang up"] * 4, "4 tries in a row brought nothing new"),
    ],
    ids=str,
)
def test_what_is_no_whole_file_is_a_sentence_and_leaves_none(server, tmp_path, acts, sentence):
    with pytest.raises(ValueError, match=sentence):
        got(server, tmp_path, *acts)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("expected", [Expected(len(DATA) + 5), Expected(len(DATA) - 5)])
def test_another_size_than_the_known_one_is_refused_before_it_comes(server, tmp_path, expected):
    with pytest.raises(ValueError, match="has 80,013 bytes where 80,0.. are known.*--accept-changed"):
        got(server, tmp_path, expected=expected)
    assert len(server.asked["/a.json"]) == 1 and not any(tmp_path.iterdir())


def test_another_content_of_the_known_size_is_removed(server, tmp_path):
    server.files["/a.json"] = OTHER
    with pytest.raises(ValueError, match="its SHA256 is .* is known; it was removed"):
        got(server, tmp_path, expected=Expected(len(DATA), SUM))
    assert not (tmp_path / "a.json").exists()
    server.files["/a.json"] = DATA
    assert got(server, tmp_path, expected=Expected(len(DATA), SUM)) == DATA


def test_md5_is_checked_too(server, tmp_path):
    assert got(server, tmp_path, expected=Expected(checksum=f"md5:{md5(DATA).hexdigest()}")) == DATA


def test_the_next_address_is_taken_where_one_has_another_file(server, tmp_path):
    server.files["/a.json"] = OTHER
    assert got(server, tmp_path, expected=Expected(len(DATA), SUM), urls=("/none.json", "/a.json", "/b.json")) == DATA


def test_a_server_is_waited_for_as_it_asks(server, tmp_path):
    waits = []
    got(server, tmp_path, "refuse:503", "hang up", "drop:9000", waits=waits)
    assert waits == [0.0, 0.0, 0.0]


def test_a_server_that_answered_before_is_tried_more_often_and_each_retry_is_said(server, tmp_path, capsys):
    server.scripts["/a.json"] = ["refuse:503", "hang up"]
    patience = Patience(tries=4, first_tries=1, timeout=120.0)
    download([f"{server.url}/a.json"], tmp_path / "a.json", Expected(), patience, wait=lambda seconds: None)
    said = [line for line in capsys.readouterr().err.splitlines() if "; try " in line]
    assert len(said) == 2
    assert said[0].endswith("answers 503 Service Unavailable; try 2 of 4 in 0 s")
    assert said[1].startswith("a.json: the connection to") and said[1].endswith("; try 3 of 4 in 4 s")


def test_any_mixture_of_faults_ends_in_the_right_bytes(server, tmp_path):
    acts = (
        "drop:{}", "reset:{}", "drop without ranges:{}", "refuse:503", "hang up", "promises more", "chunked:{}",
        "without if range",
    )  # fmt: skip
    rng = random.Random(7)
    patience = Patience(tries=30, timeout=120.0, first=0.0)
    for number in range(25):
        script = [rng.choice(acts).format(rng.randrange(len(DATA))) for _ in range(rng.randrange(8))]
        server.files[f"/{number}.json"], server.scripts[f"/{number}.json"] = DATA, script
        place = tmp_path / f"{number}.json"
        download([f"{server.url}/{number}.json"], place, Expected(checksum=SUM), patience, shown=False, wait=lambda _: None)
        assert place.read_bytes() == DATA, script


def test_a_file_that_was_put_there_by_hand_is_checked_and_left(server, tmp_path):
    (tmp_path / "a.json").write_bytes(OTHER)
    with pytest.raises(ValueError, match="delete it or get it again"):
        got(server, tmp_path, expected=Expected(checksum=SUM))
    assert (tmp_path / "a.json").read_bytes() == OTHER
    assert got(server, tmp_path) == OTHER and not server.asked["/a.json"]


def test_a_redirect_to_an_unsafe_address_is_not_followed(server, tmp_path):
    server.scripts["/a.json"] = ["redirect:"]
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/a.json"):
        server.url, kept = "", server.url
        server.scripts["/a.json"] = [f"redirect:{target}"]
        server.asked.clear()
        with pytest.raises(ValueError, match="did not come"):
            download([f"{kept}/a.json"], tmp_path / "a.json", Expected(), PATIENCE, shown=False)
        server.url = kept
    assert not (tmp_path / "a.json").exists()
