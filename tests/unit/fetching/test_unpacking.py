# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Archives land in their folder, whole or not at all, and never outside it."""

import io
import stat
import tarfile
import zipfile

import pytest

from promvil_hf.fetching import unpacking
from promvil_hf.fetching.sources import Unpacking
from promvil_hf.fetching.unpacking import Refused, unpack


FILES = {"vg/a.json": b"[1]", "vg/pictures/1.jpg": b"one", "vg/pictures/2.jpg": b"two"}


def zipped(path, files, change=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, data)
    return path


def tarred(path, files, mode="w:gz", change=None):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(data))
    return path


def below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_members_land_as_the_table_says(tmp_path, out, pack):
    archive = pack(tmp_path / "a", FILES | {"__MACOSX/vg/._1.jpg": b"litter", "vg/.DS_Store": b"litter"})
    assert dict(unpack(archive, out, Unpacking("", 0), False)) == {name: len(data) for name, data in FILES.items()}
    assert below(out) == FILES


def test_members_are_chosen_flattened_and_renamed(tmp_path, out):
    archive = zipped(tmp_path / "a.zip", FILES)
    how = Unpacking("here", 0, keep=("*.json",), flat=True, renamed=(("a*.json", "objects.json"),))
    unpack(archive, out, how, False)
    assert below(out) == {"here/objects.json": b"[1]"}


def test_files_of_other_archives_in_the_folder_stay(tmp_path, out):
    (out / "vg" / "pictures").mkdir(parents=True)
    (out / "vg" / "pictures" / "3.jpg").write_bytes(b"three")
    (out / "vg" / "a.json").write_bytes(b"old")
    unpack(zipped(tmp_path / "a.zip", FILES), out, Unpacking("", 0), False)
    assert below(out) == FILES | {"vg/pictures/3.jpg": b"three"}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../a.json", "vg/../../a.json", "/etc/a.json", "C:/a.json", "vg\\..\\..\\a.json", "..", "vg/..", "a/../b.json"]
)
def test_nothing_lands_outside_its_folder(tmp_path, out, pack, name):
    archive = pack(tmp_path / "a", {"good.json": b"[]", name: b"[]"})
    if b"\\" in name.encode() and pack is zipped:  # zipfile writes them as slashes
        archive.write_bytes(archive.read_bytes().replace(b"vg/../../a.json", b"vg\\..\\..\\a.json"))
    with pytest.raises(Refused, match="would land outside its folder: it is not unpacked"):
        unpack(archive, out, Unpacking("", 0), False)
    assert below(out) == {} and sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]


def test_links_and_devices_are_refused(tmp_path, out):
    def link(info):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    with pytest.raises(Refused, match="which is a link or a device"):
        unpack(zipped(tmp_path / "a.zip", {"a.json": b"/etc/passwd"}, link), out, Unpacking("", 0), False)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):

        def special(info, kind=kind):
            info.type, info.linkname, info.size = kind, "/etc/passwd", 0

        with pytest.raises(Refused, match="which is a link or a device"):
            unpack(tarred(tmp_path / "a.tar", {"a.json": b""}, "w", special), out, Unpacking("", 0), False)
    assert below(out) == {}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_made_to_fill_the_disk_is_refused(tmp_path, out, pack, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_TIMES", 20)
    archive = pack(tmp_path / "a", {f"{number}.bin": bytes(2_000_000) for number in range(4)})
    with pytest.raises(Refused, match="grows by more than 20 times, or does not fit the disk"):
        unpack(archive, out, Unpacking("", 0), False)
    assert below(out) == {}


def test_more_files_than_any_data_set_has_are_refused(tmp_path, out, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 10)
    with pytest.raises(Refused, match="more than 10 files"):
        unpack(zipped(tmp_path / "a.zip", {f"{number}": b"" for number in range(12)}), out, Unpacking("", 0), False)


def test_a_size_that_is_a_lie_is_noticed(tmp_path, out):
    archive = zipped(tmp_path / "a.zip", {"a.bin": bytes(5_000)})
    data = archive.read_bytes()
    for lie in (4_000, 6_000):
        archive.write_bytes(data.replace((5_000).to_bytes(4, "little"), lie.to_bytes(4, "little")))
        with pytest.raises(Refused, match="damaged|has more"):
            unpack(archive, out, Unpacking("", 0), False)
    assert below(out) == {}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_damage_anywhere_is_a_sentence_or_harmless(tmp_path, out, pack):
    archive = pack(tmp_path / "a", FILES)
    whole = archive.read_bytes()
    for place in range(0, len(whole), 7):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        target = out / str(place)
        target.mkdir()
        try:
            unpack(archive, target, Unpacking("", 0), False)
        except Refused:
            assert below(target) == {}
        else:
            assert set(below(target).values()) <= set(FILES.values())
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused):
        unpack(archive, out, Unpacking("", 0), False)


def test_an_archive_of_something_else_says_what_it_holds(tmp_path, out):
    with pytest.raises(Refused, match=r"holds none of \*.p: .* It holds vg/a.json, vg/pictures/1.jpg"):
        unpack(zipped(tmp_path / "a.zip", FILES), out, Unpacking("", 0, keep=("*.p",)), False)


def test_a_file_never_replaces_a_folder(tmp_path, out):
    (out / "vg" / "a.json").mkdir(parents=True)
    (out / "vg" / "a.json" / "mine").write_bytes(b"mine")
    with pytest.raises(ValueError, match="a.json is a folder, and a file is to lie there"):
        unpack(zipped(tmp_path / "a.zip", FILES), out, Unpacking("", 0), False)
    assert (out / "vg" / "a.json" / "mine").read_bytes() == b"mine"
