# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Jobs killed with SIGKILL, at random moments in processes of their own and at every single line of `promvil_hf.jobs`.

This file is also the program that gets killed: `python test_jobs_survive_kill.py run OUT CALLS WORKERS RANK WORLD_SIZE`.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from promvil_hf import jobs


SHARDS, SIZE, PAUSE = 400, 3, 0.005
CALLS = "PROMVIL_TEST_CALLS"  # environment: the file that notes each call of work, across kills


def slow_work(batch):
    note = os.open(os.environ[CALLS], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(note, f"{batch[0]} {os.getpid()}\n".encode())
    os.close(note)
    time.sleep(PAUSE)
    return [jobs.Rejected("seventh", f"item {n}") if n % 7 == 0 else {"n": n, "words": "ü<b>\n" * (n % 5)} for n in batch]


def run(out, shards=SHARDS, **how):
    return jobs.run(range(shards * SIZE), slow_work, out, key=str, describe={"version": 1}, shard_size=SIZE, **how)


def content(out):
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def calls(path):
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


class Life:
    """One process at work."""

    def __init__(self, out, notes, workers=1, rank=0, world_size=1):
        command = [sys.executable, __file__, "run", out, workers, rank, world_size]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {CALLS: str(notes), "PYTHONPATH": str(Path(jobs.__file__).parents[1])},
        )
        assert self.process.stdout.readline() == "ready\n"

    def kill(self):
        self.process.kill()
        return self.end(-signal.SIGKILL)

    def end(self, code=0):
        told = self.process.communicate()[1]
        assert self.process.returncode == code, told
        return told


def uninterrupted(tmp_path, monkeypatch):
    monkeypatch.setenv(CALLS, os.devnull)
    monkeypatch.setattr("time.sleep", lambda _: None)
    run(tmp_path / "uninterrupted", progress=False)
    monkeypatch.undo()
    return content(tmp_path / "uninterrupted")


def killed_at_random(tmp_path, kills, seed, longest, workers=1):
    """Kill a job so many times, then let it end; each life may redo no more shards than it has workers."""
    out, notes, rng = tmp_path / "out", tmp_path / "calls", random.Random(seed)
    before, counts = [], []
    for life in range(kills + 1):
        there = len(list(out.glob("part-*.jsonl")))
        process = Life(out, notes, workers)
        if life < kills:
            time.sleep(rng.uniform(0, longest))
            told = process.kill()
        else:
            told = process.end()
            assert f"reused {there} of {SHARDS} shards ({there * SIZE:,} items)" in told
        said = re.search(r"resuming: (\d+) of 400 shards are done and will be reused", told)
        if life == kills or "part-" in told:  # it lived long enough to speak
            assert int(said[1] if said else 0) == there
        mine = calls(notes)[len(before) :]
        assert len(mine) == len(set(mine)), "a shard was done twice in one life"
        assert len(set(mine) & set(before)) <= workers, "more than the shard in hand was redone"
        before += mine
        counts.append(there)
    assert set(before) == set(range(0, SHARDS * SIZE, SIZE))
    assert sum(b > a for a, b in zip(counts, counts[1:], strict=False)) > kills // 2, "the kills must fall into the work"
    return content(out)


def test_a_job_killed_at_20_random_moments_redoes_at_most_one_shard_each_time_and_ends_identical(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    assert killed_at_random(tmp_path, kills=20, seed=20, longest=0.1) == expected


def test_two_workers_redo_at_most_two_shards_and_do_not_outlive_the_kill(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    assert killed_at_random(tmp_path, kills=4, seed=4, longest=0.6, workers=2) == expected
    workers = {int(line.split()[1]) for line in (tmp_path / "calls").read_text().splitlines()}
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_two_ranks_killed_and_restarted_end_as_one_rank_does(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    out, notes, rng = tmp_path / "out", tmp_path / "calls", random.Random(2)
    for _ in range(4):
        ranks = [Life(out, notes, rank=rank, world_size=2) for rank in (0, 1)]
        for process in ranks:
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
    ranks = [Life(out, notes, rank=rank, world_size=2) for rank in (0, 1)]
    for process in ranks:
        process.end()
    assert len(calls(notes)) <= SHARDS + 4 * 2
    assert content(out) == expected


def test_a_second_writer_is_refused_while_the_first_lives_and_welcome_when_it_was_killed(tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setenv(CALLS, str(tmp_path / "calls"))
    first = Life(out, tmp_path / "calls")
    while not calls(tmp_path / "calls"):
        time.sleep(0.01)
    for how in ({}, {"rank": 1, "world_size": 2}):
        try:
            run(out, **how)
        except jobs.JobError as error:
            assert str(error) == f"another process is writing {out}: wait for it, or use another folder"
        else:
            raise AssertionError("two processes wrote the same folder")
    first.kill()
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert run(out, progress=False).finished


def test_a_job_killed_at_any_line_of_the_module_leaves_nothing_half_written_and_ends_identical(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, "every-line", tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {CALLS: str(tmp_path / "calls"), "PYTHONPATH": str(Path(jobs.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["lines"] > 300 and told["killed"] == told["lines"]
    assert told["redone"] > 0  # the law below it can fail: some kills do cost a shard


def die_at_line(number, out):
    """In a forked child: run the job and get killed before the given line event; returns whether that line was reached."""
    child = os.fork()
    if not child:
        seen = 0

        def trace(frame, event, _):
            nonlocal seen
            if frame.f_code.co_filename != jobs.__file__ or frame.f_code.co_name == "<listcomp>":
                return None
            if event == "line":
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        run(out, shards=2, progress=False)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def every_line(folder):
    """Kill one job at line 1, another at line 2, and so on; let each go on and compare."""
    global PAUSE
    PAUSE = 0
    notes = Path(os.environ[CALLS])
    run(folder / "whole", shards=2, progress=False)
    expected, killed, redone = content(folder / "whole"), 0, 0
    for number in range(1, 100_000):
        out = folder / f"killed-{number}"
        notes.write_text("")
        if not die_at_line(number, out):
            break
        killed += 1
        parts = {name: body for name, body in content(out).items() if name.startswith("part-")} if out.exists() else {}
        assert all(expected[name] == body for name, body in parts.items()), f"line {number}: a part is not whole"
        if (out / "job.json").exists():
            assert len(list(jobs.rows(out))) + len(list(jobs.rejects(out))) == 2 * SIZE
        report = run(out, shards=2, progress=False)
        assert report.reused_shards == len(parts), f"line {number}"
        twice = len(calls(notes)) - 2
        assert 0 <= twice <= 1, f"line {number}: {twice} shards were redone"
        redone += twice
        assert content(out) == expected, f"line {number}"
    print(json.dumps({"lines": number - 1, "killed": killed, "redone": redone}))


if __name__ == "__main__":
    if sys.argv[1] == "every-line":
        every_line(Path(sys.argv[2]))
    else:
        print("ready", flush=True)
        run(sys.argv[2], **dict(zip(("workers", "rank", "world_size"), map(int, sys.argv[3:]), strict=True)))
