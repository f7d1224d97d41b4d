# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`kill -9` at any moment costs time and nothing else: after a resume every long command has the bytes of an uninterrupted run.

`make kills` kills each command 30 times; the default suite kills one a few times. Each command lives and dies in forks of a
process of its own: `python -m tests.kills.test_kills NAME KILLS FOLDER`.
"""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import forks


ROOT = Path(__file__).resolve().parents[2]
MANY = 30
RUNNING = ExitStack()  # until the program that forks ends
FEW = 5
TABLES = ("reproduce fivl-pope", "reproduce promvil-compovl")  # at size small
NAMES = ("build compovl", "build fivl", "ground", "evaluate", "twins", "reliance", "train", "fetch")


def killed(name: str, kills: int, folder: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    said = folder.parent / f"{folder.name}-said"
    said.mkdir()
    done = forks.run(["-m", "tests.kills.test_kills", name, kills, folder], said, cwd=ROOT, env=environment, timeout=3600)
    assert done.returncode == 0, done.stderr[-5000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.kills
@pytest.mark.parametrize("name", NAMES)
def test_30_kills_of_each_long_command_leave_the_bytes_of_an_uninterrupted_run(name, tmp_path):
    killed(name, MANY, tmp_path)


@pytest.mark.kills
@pytest.mark.parametrize("name", TABLES)
def test_5_kills_on_the_way_to_a_table_leave_the_bytes_of_an_uninterrupted_run(name, tmp_path):
    killed(name, FEW, tmp_path)


@pytest.mark.parametrize("name", ["build fivl", "fetch"])
def test_a_few_kills_leave_the_bytes_of_an_uninterrupted_run(name, tmp_path):
    killed(name, 3, tmp_path)


# --- the program that forks -----------------------------------------------------------------------


def prepared(name: str, root: Path):
    """The command of this name on a small drawn world in `root`."""
    if name == "fetch":
        return fetching(root)
    if name in TABLES:
        return reproducing(name)
    from promvil_hf.cli import main
    from promvil_hf.compovl import compose_images
    from promvil_hf.fivl import fivl_build
    from promvil_hf.toy.world import WorldConfig, scenes, write_world
    from tests.kills.lives import Command

    compose_images.SHARD = fivl_build.SHARD = 2
    world, rows = root / "world", root / "rows"
    write_world(scenes(WorldConfig(image_size=(112, 112)), 8), world)
    pictures, masks = world / "VG_100K", ("--masks", world / "key_expressions.jsonl")
    pope = ("--files", world / "pope_random.jsonl", "--images", pictures)
    asked = ("--model", "toy:llava", "--batch-size", 2, "--max-new-tokens", 2, "--resamples", 99)
    words = {
        "build compovl": ("--vg", world, "--vg-qa"),
        "build fivl": ("--source", "llava", "--files", world / "llava_conversations.json", "--images", world, *masks),
        "ground": ("--queries", queries(world), "--model", "toy:kosmos2", "--shard-size", 2),
        "evaluate": ("--benchmark", "pope", *pope, "--limit", 8, "--blind-too", *asked),
        "twins": ("--benchmark", "pope", *pope, "--regions", world / "key_expressions.jsonl", "--pictures", "--limit", 8),
        "reliance": ("--rows", rows, "--images", pictures, "--limit", 6, *asked),
    }

    def promvil(*words) -> int:
        return main([str(word) for word in words])

    if name in ("evaluate", "twins", "reliance"):
        from promvil_hf.evaluation import answering, twin_answers, twin_folder, twin_regions

        answering.SHARD = twin_answers.SHARD = twin_folder.SHARD = twin_regions.SHARD = 2
    if name == "reliance":
        assert promvil("build", "fivl", "--source", "pope", *pope, *masks, "--quiet", "--out", rows) == 0
    if name == "train":
        return Command(name, training(), without_times)
    return Command(name, lambda out: promvil(*name.split(), *words[name], "--out", out))


def fetching(root: Path):
    """Archives and a plain file from a server that breaks off every other time."""
    import random
    import zipfile

    from promvil_hf.fetching.fetch import Fetching, fetch
    from promvil_hf.fetching.sources import RemoteFile, Source, Unpacking
    from promvil_hf.fetching.transfer import Patience
    from tests.kills.lives import Command
    from tests.unit.file_server import file_server

    rng, server = random.Random(0), RUNNING.enter_context(file_server())
    for name in ("objects", "images"):
        with zipfile.ZipFile(root / f"{name}.zip", "w") as archive:
            for number in range(5):
                archive.writestr(f"vg/{name}/{number}.bin", rng.randbytes(9_000))
        server.files[f"/{name}.zip"] = (root / f"{name}.zip").read_bytes()
    server.files["/pope.jsonl"] = b'{"text": "Is there a cup?"}\n' * 1_000
    server.default = ["drop:20000", "good"] * 10_000
    files = [RemoteFile(f"{name}.zip", (f"{server.url}/{name}.zip",), unpack=Unpacking("", 0)) for name in ("objects", "images")]
    files.append(RemoteFile("pope.jsonl", (f"{server.url}/pope.jsonl",), place="pope/pope.jsonl"))
    sources = [Source("toy", "", "", "", "", "", tuple(files))]

    def run(out: Path) -> int:
        return 0 * len(list(fetch(sources, out, Fetching(patience=Patience(first=0.0), shown=False))))

    return Command("fetch", run)


def reproducing(name: str):
    from promvil_hf.cli import main
    from tests.kills.lives import Command

    def plain(path: str, body: bytes | None):
        if not path.startswith("steps/") or body is None:
            return without_times(path, body)
        return {key: value for key, value in json.loads(body).items() if not key.endswith("seconds")}

    return Command(name, lambda out: main([*name.split(), "--size", "small", "--out", str(out)]), plain)


def queries(world: Path) -> Path:
    rows = [json.loads(line) for line in (world / "expressions.jsonl").read_text().splitlines()][:8]
    path = world / "queries.jsonl"
    lines = [{"image": f"VG_100K/{row['image_id']}.png", "expression": row["text"]} for row in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def training():
    from promvil_hf.commands import train_kosmos2

    smoke = ["--config", str(ROOT / "recipes/kosmos2/smoke.yaml"), "--rows", "toy:4", "--eval_rows", "toy:2:1000"]
    smoke += ["--max_steps", "6", "--save_steps", "2", "--eval_steps", "3", "--eval_generate", "2", "--logging_steps", "2"]

    def train(out: Path) -> int:
        resume = ["--resume_from_checkpoint", "true"] if list(out.glob("checkpoint-*/whole.json")) else []
        train_kosmos2.train([*smoke, "--output_dir", str(out), *resume])
        return 0

    return train


def without_times(name: str, body: bytes | None):
    """What a training leaves, but for how long it took and what it was resumed from."""
    if name.endswith("training_args.bin"):
        return None
    if name.endswith("whole.json"):  # sizes
        return json.loads(body).keys()
    if not name.endswith("trainer_state.json"):
        return body
    state, times = json.loads(body), ("_runtime", "_per_second", "_time")
    state["log_history"] = [
        {key: value for key, value in entry.items() if not key.endswith(times)} for entry in state["log_history"]
    ]
    return state


if __name__ == "__main__":
    from tests.kills.lives import killed_at_random

    name, kills, folder = sys.argv[1:]
    with RUNNING:
        found = killed_at_random(prepared(name, Path(folder)), Path(folder), int(kills), seed=0)
    print("\n".join(found), file=sys.stderr)
    print(json.dumps(found))
