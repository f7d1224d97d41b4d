# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Sources land where readers look for them; what is there is kept, what is gone is got again."""

import importlib
import io
import json
import shutil
import socket
import zipfile
from collections import namedtuple
from dataclasses import replace
from hashlib import sha256

import pytest

from promvil_hf.cli import main
from promvil_hf.fetching import catalog
from promvil_hf.fetching import fetch as fetching
from promvil_hf.fetching.fetch import Fetching, fetch, room_needed, steps
from promvil_hf.fetching.sources import RemoteFile, Source, Unpacking
from promvil_hf.fetching.transfer import Patience
from tests.unit.file_server import file_server


HOW = Fetching(patience=Patience(tries=3, timeout=120.0, first=0.0), shown=False)
PLAIN = b'{"questions": {}}'
MEMBERS = {"objects.json": b"[1, 2]", "VG_100K/1.jpg": b"one", "VG_100K/2.jpg": b"two"}


def archive(files):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return held.getvalue()


@pytest.fixture
def server():
    with file_server() as running:
        running.files = {"/objects.zip": archive(MEMBERS), "/pope.json": PLAIN}
        yield running


def toy(server):
    """Two sources, as the tables hold them."""
    zipped = RemoteFile(
        "objects.zip", (f"{server.url}/objects.zip",), len(server.files["/objects.zip"]),
        checksum=f"sha256:{sha256(server.files['/objects.zip']).hexdigest()}", unpack=Unpacking("vg", 100),
    )  # fmt: skip
    plain = RemoteFile("pope.json", (f"{server.url}/pope.json",), place="pope/pope.json")
    facts = ("about", "MIT", "page", "facts", "gives")
    return Source("graphs", *facts, (zipped,)), Source("questions", *facts, (plain,))


def there(out):
    """Files that readers see."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and not path.relative_to(out).parts[0].startswith(".")
    }


WHOLE = {f"vg/{name}": data for name, data in MEMBERS.items()} | {"pope/pope.json": PLAIN}


def test_everything_lands_in_its_place_and_is_not_got_twice(server, tmp_path):
    lines = list(fetch(toy(server), tmp_path, HOW))
    assert there(tmp_path) == WHOLE
    assert [line.split(":")[0] for line in lines] == ["graphs", "questions"] and "3 files" in lines[0]
    assert list(fetch(toy(server), tmp_path, HOW)) == ["graphs: objects.zip is here", "questions: pope.json is here"]
    assert {path: len(asked) for path, asked in server.asked.items()} == {"/objects.zip": 1, "/pope.json": 1}


def test_a_file_that_was_lost_or_cut_is_got_again(server, tmp_path):
    list(fetch(toy(server), tmp_path, HOW))
    (tmp_path / "vg" / "VG_100K" / "2.jpg").unlink()
    (tmp_path / "pope" / "pope.json").write_bytes(PLAIN[:-2])
    with pytest.raises(ValueError, match="pope.json is not what it should be, for it has 15 bytes where 17 are known"):
        list(fetch(toy(server), tmp_path, HOW))
    (tmp_path / "pope" / "pope.json").unlink()
    list(fetch(toy(server), tmp_path, HOW))
    assert there(tmp_path) == WHOLE


def test_an_archive_is_kept_where_that_is_asked(server, tmp_path):
    list(fetch(toy(server), tmp_path, replace(HOW, keep_archives=True)))
    assert (tmp_path / "downloads" / "graphs" / "objects.zip").read_bytes() == server.files["/objects.zip"]
    list(fetch(toy(server), tmp_path, HOW))
    assert there(tmp_path) == WHOLE


def test_one_file_that_does_not_come_keeps_nobody_from_the_others(server, tmp_path):
    server.scripts["/objects.zip"] = ["refuse:404"]
    with pytest.raises(ValueError, match="1 of 2 files are missing:\nobjects.zip did not come. .*answers 404"):
        list(fetch(toy(server), tmp_path, HOW))
    assert there(tmp_path) == {"pope/pope.json": PLAIN}
    list(fetch(toy(server), tmp_path, HOW))
    assert there(tmp_path) == WHOLE


def test_a_mirror_is_asked_first_and_held_to_the_same_checksum(server, tmp_path):
    server.files["/mirror/graphs/objects.zip"] = archive({"objects.json": b"[3]"})
    server.files["/mirror/questions/pope.json"] = b'{"of": "mirror"}'
    with pytest.raises(ValueError, match="missing"):
        list(fetch([replace(toy(server)[0], files=(replace(toy(server)[0].files[0], urls=()),))], tmp_path, HOW))
    list(fetch(toy(server), tmp_path, replace(HOW, mirrors=(f"{server.url}/mirror/",))))
    assert there(tmp_path) == WHOLE | {"pope/pope.json": b'{"of": "mirror"}'}


def test_a_changed_archive_is_taken_where_that_is_asked(server, tmp_path):
    sources = toy(server)
    server.files["/objects.zip"] = archive({"objects.json": b"[1, 2, 3]"})
    with pytest.raises(ValueError, match="--accept-changed takes it"):
        list(fetch(sources, tmp_path, HOW))
    list(fetch(sources, tmp_path, replace(HOW, accept_changed=True)))
    assert there(tmp_path)["vg/objects.json"] == b"[1, 2, 3]"


def test_a_damaged_archive_is_removed_so_that_the_next_run_gets_a_new_one(server, tmp_path):
    graphs, _ = toy(server)
    doubtful = replace(graphs, files=(replace(graphs.files[0], size=None, checksum=""),))
    whole = server.files["/objects.zip"]
    server.files["/objects.zip"] = whole.replace(b"one", b"0ne")
    with pytest.raises(ValueError, match="it is damaged. The archive was removed; the same command gets it again"):
        list(fetch([doubtful], tmp_path, HOW))
    assert there(tmp_path) == {}
    server.files["/objects.zip"] = whole
    list(fetch([doubtful], tmp_path, HOW))
    assert there(tmp_path) == {path: data for path, data in WHOLE.items() if path.startswith("vg")}


def test_a_file_without_address_is_asked_of_the_user_and_then_taken(server, tmp_path):
    graphs, questions = toy(server)
    graphs = replace(graphs, files=(replace(graphs.files[0], urls=(), mark="a web drive"),))
    sentence = r"has to be got by hand \(a web drive\): put it at .*downloads/graphs/objects.zip"
    with pytest.raises(ValueError, match=sentence):
        list(fetch([graphs, questions], tmp_path, HOW))
    place = tmp_path / "downloads" / "graphs" / "objects.zip"
    place.parent.mkdir(parents=True)
    place.write_bytes(server.files["/objects.zip"])
    list(fetch([graphs, questions], tmp_path, HOW))
    assert there(tmp_path) == WHOLE


@pytest.fixture
def nobody():
    """An address at which nothing listens, as every address is where there is no network."""
    with socket.socket() as held:  # bound, so that no other process takes the port
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def unreachable(server, nobody):
    return [
        replace(source, files=(replace(source.files[0], urls=(f"{nobody}/{source.files[0].name}",)),))
        for source in toy(server)
    ]


def test_without_a_network_each_try_is_said_and_the_end_comes_soon(server, nobody, tmp_path, capsys):
    patience = Patience(tries=6, first_tries=3, first=0.01)
    with pytest.raises(ValueError, match="2 of 2 files are missing") as caught:
        list(fetch(unreachable(server, nobody), tmp_path, Fetching(patience=patience)))
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"objects.zip: asking {nobody}/objects.zip; a try ends after 60 s without an answer"
    assert [line.partition("; ")[2] for line in said[1:]] == ["try 2 of 3 in 0.01 s", "try 3 of 3 in 0.02 s"]
    assert all(f"{nobody}/objects.zip cannot be reached" in line and "refused" in line for line in said[1:])
    first, second = str(caught.value).splitlines()[1:]
    assert "3 tries in a row" in first and all(way in first for way in ("--mirror", "HTTPS_PROXY", "later"))
    assert "was not asked again" in second and "pope.json" in second


def test_a_server_that_is_not_there_keeps_nobody_from_the_next_address(server, nobody, tmp_path):
    list(fetch(toy(server), tmp_path, replace(HOW, mirrors=(nobody,))))
    assert there(tmp_path) == WHOLE


def test_a_quiet_fetch_says_nothing_of_its_tries(server, nobody, tmp_path, capsys):
    with pytest.raises(ValueError, match="missing"):
        list(fetch(unreachable(server, nobody), tmp_path, HOW))
    assert capsys.readouterr().err == ""


def test_the_disk_is_looked_at_before_the_first_byte(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(10**12, 0, 10**6))
    with pytest.raises(OSError, match=r"need \d+ B at .*and 1 MB are free: name fewer sources"):
        list(fetch(toy(server), tmp_path, HOW))
    assert not server.asked


def test_the_room_is_that_of_the_fullest_moment(server, tmp_path):
    def of(*sizes):  # archives of these sizes, which unpack to twice as much
        files = tuple(RemoteFile(f"{size}.zip", ("http://a",), size, unpack=Unpacking("a", 2 * size)) for size in sizes)
        return steps([Source("s", "", "", "", "", "", files)], tmp_path)

    assert room_needed(of(100, 10), False) == 300  # while the first is unpacked
    assert room_needed(of(10, 100), False) == 320
    assert room_needed(of(10, 100), True) == 330
    (tmp_path / "downloads" / "s").mkdir(parents=True)
    (tmp_path / "downloads" / "s" / "10.zip.partial").write_bytes(bytes(4))
    assert room_needed(of(10), False) == 26


def test_a_second_writer_is_refused(server, tmp_path):
    from promvil_hf.folder_lock import held
    from tests.unit.another_process import another_process

    with another_process(lambda: held(tmp_path)):
        with pytest.raises(ValueError, match="is writing"):
            list(fetch(toy(server), tmp_path, HOW))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def toy_catalog(server, monkeypatch):
    importlib.import_module("promvil_hf.commands.fetch")  # first imported below, it would keep the toy's sets for ever
    sources = {source.name: source for source in toy(server)}
    monkeypatch.setattr(catalog, "SOURCES", sources)
    monkeypatch.setattr(catalog, "SETS", {"both": tuple(sources)})
    return sources


def test_the_command_fetches_and_goes_on(server, toy_catalog, tmp_path, capsys):
    assert main(["fetch", "both", "--out", str(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{server.url}/objects.zip" in said and "2 files to get" in said and not server.asked and not list(tmp_path.iterdir())
    assert main(["fetch", "both", "--out", str(tmp_path)]) == 0
    assert there(tmp_path) == WHOLE and "graphs: gives" in capsys.readouterr().out
    assert main(["fetch", "both", "--out", str(tmp_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_wrong_name_is_answered_with_the_close_ones(tmp_path, capsys):
    assert main(["fetch", "refcocg", "--out", str(tmp_path)]) == 2
    assert "You asked for 'refcocg', which is no source. Did you mean refcocog" in capsys.readouterr().err
    assert main(["fetch", "--out", str(tmp_path)]) == 2
    assert "You named no source" in capsys.readouterr().err


def test_addresses_of_the_hub_follow_its_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/")
    [step, _] = steps(catalog.chosen(["fivl-instruct"]), tmp_path)
    expected = ["https://hub.example.org/datasets/Intel/fivl-instruct/resolve/main/fivl_instruct.json"]
    assert fetching.addresses(step, HOW) == expected


# --- the table ------------------------------------------------------------------------------------


def test_the_table_is_consistent():
    for name, source in catalog.SOURCES.items():
        assert source.name == name and source.files and source.licence and source.facts and source.gives
        assert set(source.needs) <= catalog.SOURCES.keys()
        names = [file.name for file in source.files]
        assert len(names) == len(set(names))
        for file in source.files:
            assert all(url.startswith(("https://", "http://images.cocodataset.org/")) for url in file.urls)
            assert bool(file.place) != bool(file.unpack), f"{name}: {file.name} needs a place or is unpacked"
            assert file.urls or file.mark
            assert file.size is None or file.exact or file.size % 1_000 == 0
            kind, _, digits = file.checksum.partition(":")
            assert (kind, len(digits)) in (("", 0), ("sha256", 64), ("md5", 32))
    for members in catalog.SETS.values():
        assert set(members) <= catalog.SOURCES.keys()


def test_known_files_of_the_table_are_those_that_lie_here(shared_data):
    """Size and checksum that the table says were computed."""
    for source, name, path in (
        ("pope", "coco_pope_popular.json", "pope/coco_pope_popular.jsonl"),
        ("vsr", "dev.jsonl", "vsr/zeroshot_dev.jsonl"),
        ("hallusionbench", "HallusionBench.json", "hallusion/HallusionBench.json"),
    ):
        [file] = [file for file in catalog.SOURCES[source].files if file.name == name]
        data = (shared_data / path).read_bytes()
        assert (file.size, file.checksum) == (len(data), f"sha256:{sha256(data).hexdigest()}")
