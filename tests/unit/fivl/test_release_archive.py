# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A hostile archive is refused with a sentence, and nothing is written, followed or executed."""

import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from promvil_hf.fivl.release_archive import TensorArchive, UnsafeArchive, read_tensor


def saved(tensor) -> bytes:
    written = io.BytesIO()
    torch.save(tensor, written)
    return written.getvalue()


GOOD = torch.arange(576, dtype=torch.float64).reshape(24, 24) * 255 / 575


def tar_of(path, *members, format=tarfile.GNU_FORMAT):
    """Members are (name, bytes) or TarInfo."""
    with tarfile.open(path, "w", format=format) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def kind(name, type_, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, link
    return info


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_found_by_name_and_read_in_place(tmp_path, format):
    long = "/".join(["coco_segmented", "train2017", "x" * 60, "0" * 60 + "_0003.pt"])
    path = tar_of(tmp_path / "a.tar", ("a/b.pt", saved(GOOD)), (long, saved(GOOD[:1])), format=format)
    with TensorArchive(path) as archive:
        assert len(archive) == 2
        assert (archive.read("a/b.pt") == GOOD.numpy()).all()
        assert archive.read(long).shape == (1, 24)
        assert "a/c.pt" not in archive
        with pytest.raises(KeyError):
            archive.read("a/c.pt")


def test_names_are_found_without_the_folder_that_was_packed_and_unpacked_folders_are_read_too(tmp_path):
    path = tar_of(tmp_path / "a.tar", kind("data", tarfile.DIRTYPE), ("data/x/b.pt", saved(GOOD)))
    with TensorArchive(path) as archive:
        assert archive.read("x/b.pt").shape == (24, 24)
    (tmp_path / "folder" / "x").mkdir(parents=True)
    (tmp_path / "folder" / "x" / "b.pt").write_bytes(saved(GOOD))
    folder = TensorArchive(tmp_path / "folder")
    assert (folder.read("x/b.pt") == GOOD.numpy()).all()
    with pytest.raises(UnsafeArchive, match="leads out of its folder"):
        folder.read("../secret.pt")
    (tmp_path / "secret.pt").write_bytes(saved(GOOD))
    os.symlink(tmp_path / "secret.pt", tmp_path / "folder" / "link.pt")
    with pytest.raises(UnsafeArchive, match="is a link that leads out of"):
        folder.read("link.pt")


def claiming(size, type_=tarfile.REGTYPE):
    info = kind("huge.pt", type_)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


def damaged_after_one_member(path):
    tar_of(path, ("a.pt", b"x"))
    data = bytearray(path.read_bytes())
    data[1024:1536] = claiming(0)[:511] + b"\1"
    path.write_bytes(data)


def with_size(path, size):
    """A pax header that gives the next file another size than its own header does."""
    info = tarfile.TarInfo("a.pt")
    info.pax_headers = {"size": size}
    path.write_bytes(info.tobuf(tarfile.PAX_FORMAT) + b"\0" * 1024)


HOSTILE = {
    "an absolute path": (
        lambda path: tar_of(path, ("/etc/cron.d/x", b"")),
        "names '/etc/cron.d/x', which leads out of",
    ),
    "a path upwards": (
        lambda path: tar_of(path, ("a/../../x", b"")),
        "names 'a/../../x', which leads out of its folder",
    ),
    "a Windows path": (lambda path: tar_of(path, ("C:\\x", b"")), "which leads out of its folder or is no name"),
    "a symbolic link": (
        lambda path: tar_of(path, kind("a", tarfile.SYMTYPE, "/etc")),
        "holds 'a', which is a link: only",
    ),
    "a hard link": (lambda path: tar_of(path, kind("a", tarfile.LNKTYPE, "b")), "holds 'a', which is a link"),
    "a device": (lambda path: tar_of(path, kind("a", tarfile.CHRTYPE)), "holds 'a', which is a device"),
    "a pipe": (lambda path: tar_of(path, kind("a", tarfile.FIFOTYPE)), "holds 'a', which is a pipe"),
    "a 10 GB claim": (
        lambda path: path.write_bytes(claiming(10 << 30)),
        "has 10,737,418,240 bytes, and the file ends",
    ),
    "a huge claim": (lambda path: path.write_bytes(claiming(1 << 62)), "it is cut off, or it lies"),
    "a negative size": (lambda path: path.write_bytes(claiming(-512)), "has -512 bytes"),
    "a negative size in a pax header": (lambda path: with_size(path, "-512"), "has -512 bytes"),
    "a huge size in a pax header": (lambda path: with_size(path, str(1 << 40)), "has 1,099,511,627,776 bytes"),
    "a sparse file": (
        lambda path: path.write_bytes(claiming(0, tarfile.GNUTYPE_SPARSE)),
        "holds 'huge.pt', which is no plain file",
    ),
    "a name header without end": (
        lambda path: path.write_bytes(claiming(1 << 40, tarfile.GNUTYPE_LONGLINK)),
        "has a header of 1,099,511,627,776 bytes for a name",
    ),
    "ten thousand names for one file": (
        lambda path: path.write_bytes((claiming(1, tarfile.GNUTYPE_LONGNAME)[:512] + b"a".ljust(512, b"\0")) * 10_000),
        "cannot be read as a tar archive",
    ),
    "a damaged header after a good member": (damaged_after_one_member, "is damaged or no tar archive"),
    "a long name of 1 MB": (
        lambda path: path.write_bytes(
            tarfile.TarInfo("x" * (1 << 20)).tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
        ),
        "has a header of 1,048,577 bytes for a name",
    ),
    "a compressed one": (
        lambda path: path.write_bytes(b"\x1f\x8b" + b"\0" * 600),
        "is compressed: decompress it first",
    ),
    "no tar at all": (lambda path: path.write_bytes(b"hello" * 300), "is damaged or no tar archive"),
    "nothing": (lambda path: path.write_bytes(b""), "is no tar archive: it has 0 bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tar_is_refused_with_a_sentence_and_nothing_is_written(tmp_path, case, monkeypatch):
    make, sentence = HOSTILE[case]
    path = tmp_path / "evil" / "a.tar"
    path.parent.mkdir()
    make(path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(path.parent)
    with pytest.raises(UnsafeArchive) as refused:
        TensorArchive(path)
    assert sentence in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


class Opens:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def zipped(**files) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_pkl", ".pkl"), data)
    return written.getvalue()


def test_a_pickle_with_code_is_not_executed(tmp_path):
    trace = tmp_path / "pwned"
    for payload in (saved(Opens(trace)), zipped(x__data_pkl=pickle.dumps(Opens(trace)), x__data__0=b"\0" * 8)):
        path = tar_of(tmp_path / "a.tar", ("a.pt", payload))
        with (
            TensorArchive(path) as archive,
            pytest.raises(UnsafeArchive, match="it is more than a tensor and is not exe"),
        ):
            archive.read("a.pt")
        assert not trace.exists()
    assert pickle.loads(pickle.dumps(Opens(trace)))  # the payload does bite where it is executed
    assert trace.exists()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cannot be read as a saved tensor"),
        (pickle.dumps([1, 2]), "cannot be read as a saved tensor"),
        (saved({"a": GOOD}), "holds a dict, not a tensor"),
        (saved(torch.nn.Parameter(GOOD)), "asks for torch._utils._rebuild_parameter"),
        (saved(GOOD)[:3000], "cannot be read as a saved tensor"),
        (zipped(x__data_pkl=b"\x80\x02]."), "holds a list, not a tensor"),
        (zipped(x__data_pkl=b"\x80\x02cos\nsystem\n."), "asks for os.system"),
        (zipped(x__data_pkl=b"0" * (2 << 20)), "claims to unpack to more than"),
        (zipped(x__data_pkl=b"\x80\x02]r\xff\xff\xff\x07."), "numbers an object 134,217,727 in a pickle of 9 bytes"),
        (zipped(x__data_pkl=b"\x80\x02]p134217727\n."), "numbers an object 134,217,727 in a pickle of 15 bytes"),
    ],
)
def test_what_is_no_tensor_is_refused(data, sentence):
    with pytest.raises(UnsafeArchive) as refused:
        read_tensor(data)
    assert sentence in str(refused.value)


class Numbers:
    """What a saved tensor says of its storage."""

    persistent_id = ("storage", torch.DoubleStorage, "0", "cpu", 576)


class View:
    def __init__(self, shape, stride):
        self.arguments = (Numbers(), 0, shape, stride, False, OrderedDict())


class ViewPickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.persistent_id if isinstance(value, Numbers) else None

    def reducer_override(self, value):
        return (torch._utils._rebuild_tensor_v2, value.arguments) if isinstance(value, View) else NotImplemented


def view(shape, stride) -> bytes:
    """A saved tensor of any shape over 576 numbers, as torch itself would never write it."""
    written = io.BytesIO()
    ViewPickler(written, protocol=2).dump(View(shape, stride))
    return zipped(x__data_pkl=written.getvalue(), x__data__0=GOOD.numpy().tobytes())


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((1 << 20, 1 << 20), (0, 0)), ((24, 25), (24, 1)), ((4,), (1 << 40,)), ((-1, 4), (1, 1)), ((0,), (1,))],
)
def test_a_tensor_that_describes_more_than_it_holds_is_refused(shape, stride):
    assert (read_tensor(view((24, 24), (24, 1))) == GOOD.numpy()).all()
    with pytest.raises(UnsafeArchive, match="over 576 numbers, which cannot be"):
        read_tensor(view(shape, stride))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.uint8, torch.int64, torch.bool])
def test_plain_tensors_are_read_as_torch_reads_them(dtype):
    tensor = GOOD.to(dtype)
    for each in (tensor, tensor.t(), tensor[3:9, ::2], tensor[5]):
        array = read_tensor(saved(each))
        assert array.dtype == each.numpy().dtype
        assert np.array_equal(array, torch.load(io.BytesIO(saved(each)), weights_only=True).numpy())
