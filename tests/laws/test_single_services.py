# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One module opens pictures, one gives files their names, one asks which process this is; each check is shown to bite."""

import pytest

from tests.laws.sources import methods, modules, says, texts, used


def opens_pictures(source):
    """Whatever the name under which Pillow's `open` is imported."""
    names = ("PIL.Image.open", "PIL.ImageFile.Parser")
    return [line for line, name in used(source) if name in names] if says(source, "PIL") else []


def renames(source):
    """`os.replace`, `shutil.move` and their kind; and `Path.rename` and `Path.replace`, which take one argument."""
    if not says(source, "rename", "replace", "link", "move"):
        return []
    by_module = {f"os.{name}" for name in ("rename", "renames", "replace", "link")} | {"shutil.move"}
    found = [line for line, name in used(source) if name in by_module]
    for line, name, call in methods(source):
        given = len(call.args) + len(call.keywords)
        # datetime.replace takes keywords, str.replace two arguments, dataclasses.replace is no method of a path
        if given == 1 and call.args and name in ("rename", "replace"):
            found.append(line)
    return found


def asks_for_its_rank(source):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
    if not says(source, *names, "PartialState"):
        return []
    lines = [line for line, text in texts(source) if text in names]
    return lines + [line for line, name in used(source) if name.endswith(".PartialState")]


def collects_versions(source):
    return [line for line, name in used(source) if name == "importlib.metadata.version"] if says(source, "importlib") else []


LAWS = {
    opens_pictures: "promvil_hf/images.py",
    renames: "promvil_hf/files.py",
    asks_for_its_rank: "promvil_hf/distributed.py",
    collects_versions: "promvil_hf/environment.py",
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_one_module_does_it(law):
    assert {path for path, source in modules() if law(source)} == {LAWS[law]}


@pytest.mark.parametrize(
    "law, source",
    [
        (opens_pictures, "from PIL import Image\nImage.open('a')"),
        (opens_pictures, "from PIL import Image as Picture\nwith Picture.open('a') as opened: pass"),
        (opens_pictures, "import PIL.Image\nPIL.Image.open('a')"),
        (opens_pictures, "import PIL.Image as pictures\nread = pictures.open"),
        (opens_pictures, "def f():\n    from PIL.Image import open as opened\n    return opened('a')"),
        (renames, "import os\nos.replace('a', 'b')"),
        (renames, "from os import rename as named\nnamed('a', 'b')"),
        (renames, "import shutil\nshutil.move('a', 'b')"),
        (renames, "def f(path, place):\n    return path.rename(place)"),
        (renames, "def f(path, place):\n    path.with_suffix('.part').replace(place)"),
        (asks_for_its_rank, "import os\nos.environ.get('LOCAL_RANK', 0)"),
        (asks_for_its_rank, "from os import environ\nenviron['RANK']"),
        (asks_for_its_rank, "from accelerate import PartialState"),
        (asks_for_its_rank, "import accelerate\naccelerate.PartialState().device"),
        (collects_versions, "from importlib.metadata import version"),
        (collects_versions, "import importlib.metadata\nimportlib.metadata.version('torch')"),
    ],
)
def test_each_check_bites(law, source):
    assert law(source)


@pytest.mark.parametrize(
    "law, source",
    [
        (opens_pictures, "open('a')\nfrom PIL import Image\nImage.new('RGB', (1, 1))"),
        (renames, "from dataclasses import replace\nreplace(terms, seed=1)\n'a'.replace('b', 'c')\ntime.replace(hour=1)"),
        (asks_for_its_rank, "RANK = 32\nargs.world_size"),
    ],
)
def test_no_check_bites_what_is_allowed(law, source):
    assert law(source) == []
