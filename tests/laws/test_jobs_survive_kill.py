# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Jobs killed with SIGKILL: at random moments in processes of their own, and at every line of `promvil_hf.jobs`.

No kill waits for the clock. The processes work in step with the test: each call of work says that it has begun and
goes on when it is let, so that a kill finds the process at work on any machine, however busy.

This file is also the program that gets killed: `python test_jobs_survive_kill.py run OUT WORKERS RANK WORLD_SIZE`.
"""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

from promvil_hf import files, folder_lock, job_files, jobs
from tests import forks


SHARDS, SIZE = 150, 3
WRITERS = {module.__file__ for module in (jobs, job_files, files, folder_lock)}
CALLS = "PROMVIL_TEST_CALLS"  # environment: the file that notes each call of work, across kills
GATE = "PROMVIL_TEST_GATE"  # environment: the named pipe that holds a byte for each call of work that may go on


def work(batch):
    note = os.open(os.environ[CALLS], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(note, f"{batch[0]}\n".encode())
    os.close(note)
    if GATE in os.environ:
        gate = os.open(os.environ[GATE], os.O_RDONLY)
        os.write(1, b".")
        os.read(gate, 1)
        os.close(gate)
    return [{"n": n, "words": "ü<b>\n" * (n % 5)} if n % 7 else jobs.Rejected("seventh", f"item {n}") for n in batch]


def run(out, shards=SHARDS, **how):
    return jobs.run(range(shards * SIZE), work, out, key=str, describe={"version": 1}, shard_size=SIZE, **how)


def content(out):
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def calls(path):
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


class Life:
    """One process at work. With `held`, its calls of work begin at once and end one by one, as `let` allows."""

    def __init__(self, out, notes, workers=1, rank=0, world_size=1, held=True):
        environment = os.environ | {CALLS: str(notes), "PYTHONPATH": str(Path(jobs.__file__).parents[1])}
        self.gate = None
        if held:
            environment[GATE] = f"{notes}.gate-{rank}"
            Path(environment[GATE]).unlink(missing_ok=True)  # bytes that a killed life left unread are not this one's
            os.mkfifo(environment[GATE])
            self.gate = os.open(environment[GATE], os.O_RDWR)
        pipes = [os.pipe() for _ in range(2)]
        self.output, self.errors = (open(reading, "rb", buffering=0) for reading, _ in pipes)
        theirs = [open(writing, "wb") for _, writing in pipes]
        self.process = forks.start([__file__, "run", out, workers, rank, world_size], None, environment, *theirs)
        for pipe in theirs:
            pipe.close()

    def hear(self, number):
        """Wait until so many more calls of work have begun."""
        for _ in range(number):
            assert self.output.read(1) == b".", self.errors.read().decode()

    def let(self, number):
        """Let so many calls of work end."""
        os.write(self.gate, b"." * number)

    def kill(self):
        self.process.kill()
        return self.end(-signal.SIGKILL)

    def end(self, code=0):
        """What it wrote to stderr. Its pipes end when it and all its workers are gone: an outliving worker would block this."""
        with self.output, self.errors:
            self.output.read()
            output = self.errors.read().decode()
        assert self.process.wait(200) == code, output
        if self.gate is not None:
            os.close(self.gate)
        return output


def uninterrupted(tmp_path, monkeypatch):
    monkeypatch.setenv(CALLS, os.devnull)
    run(tmp_path / "uninterrupted", progress=False)
    return content(tmp_path / "uninterrupted")


def killed_at_random(tmp_path, kills, seed, workers=1):
    """Kill a job so many times, then let it end; each life may redo no more shards than it has workers."""
    out, notes, rng = tmp_path / "out", tmp_path / "calls", random.Random(seed)
    before, counts = [], []
    for life in range(kills + 1):
        there = len(list(out.glob("part-*.jsonl")))
        process = Life(out, notes, workers, held=life < kills)
        if life < kills:
            process.hear(workers)
            ended = rng.randrange(6)
            process.let(ended)
            process.hear(ended)
            if rng.random() < 0.5:
                process.let(workers)  # the kill falls anywhere between the end of this work and the next call of it
            output = process.kill()
        else:
            output = process.end()
            assert f"reused {there} of {SHARDS} shards ({there * SIZE:,} items)" in output
        said = re.search(rf"resuming: (\d+) of {SHARDS} shards are done and will be reused", output)
        assert int(said[1] if said else 0) == there
        mine = calls(notes)[len(before) :]
        assert len(mine) == len(set(mine)), "a shard was done twice in one life"
        assert len(set(mine) & set(before)) <= workers, "more than the unfinished shards were redone"
        before += mine
        counts.append(there)
    assert set(before) == set(range(0, SHARDS * SIZE, SIZE))
    grew = sum(after > before for before, after in itertools.pairwise(counts))
    assert grew > kills // 2, "the kills must fall into the work"
    return content(out)


def test_a_job_killed_at_10_random_moments_redoes_at_most_a_shard_each_time_and_ends_identical(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    assert killed_at_random(tmp_path, kills=10, seed=20) == expected


def test_two_workers_redo_at_most_two_shards_and_do_not_outlive_the_kill(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    assert killed_at_random(tmp_path, kills=4, seed=4, workers=2) == expected


def test_two_ranks_killed_and_restarted_end_as_one_rank_does(tmp_path, monkeypatch):
    expected = uninterrupted(tmp_path, monkeypatch)
    out, notes, rng = tmp_path / "out", tmp_path / "calls", random.Random(2)
    for _ in range(4):
        ranks = [Life(out, notes, rank=rank, world_size=2) for rank in (0, 1)]
        for process in ranks:
            process.let(rng.randrange(6))
            process.hear(1)
            process.kill()
    ranks = [Life(out, notes, rank=rank, world_size=2, held=False) for rank in (0, 1)]
    for process in ranks:
        process.end()
    assert len(calls(notes)) <= SHARDS + 4 * 2
    assert content(out) == expected


def test_a_second_writer_is_refused_while_the_first_lives_and_welcome_when_it_was_killed(tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setenv(CALLS, str(tmp_path / "calls"))
    first = Life(out, tmp_path / "calls")
    first.hear(1)
    for how in ({}, {"rank": 1, "world_size": 2}):
        try:
            run(out, **how)
        except jobs.JobError as error:
            who = f"Process {first.process.pid} (" if sys.platform == "linux" else "Another process "
            assert str(error).startswith(who) and f"is writing {out}: wait for it, or use another folder." in str(error)
        else:
            raise AssertionError("two processes wrote the same folder")
    first.kill()
    assert run(out, progress=False).finished


def test_a_job_killed_at_any_line_of_the_module_leaves_nothing_half_written_and_ends_identical(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, "every-line", tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {CALLS: str(tmp_path / "calls"), "PYTHONPATH": str(Path(jobs.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["killed"] > 100 and counts["redone"] > 10  # kills did fall between the work and its commit


def traced(at_line, out):
    """Run the small job with `at_line(where)` called before each line of the modules that write it."""

    def trace(frame, event, _):
        if frame.f_code.co_filename not in WRITERS:
            return None
        if event == "line":
            at_line((frame.f_code.co_name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    run(out, shards=2, progress=False)
    sys.settrace(None)


def die_before(number, out):
    """In a forked child: run the job and get killed before its so-many-th line; says whether that line was reached."""
    child = os.fork()
    if not child:
        lines = itertools.count()
        traced(lambda _: next(lines) == number and os.kill(os.getpid(), signal.SIGKILL), out)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def every_line(folder):
    """Kill a job at each line it runs, the first and the last time it gets there; let it go on, and compare."""
    notes = Path(os.environ[CALLS])
    folder_lock.SHARES = 2  # one of the lock for each shard is enough here
    os.fsync = lambda _: None  # it guards against power cuts, not against kills, and takes most of the time
    lines = []
    traced(lines.append, folder / "whole")
    expected, redone = content(folder / "whole"), 0
    first = {line: number for number, line in reversed(list(enumerate(lines)))}
    last = {line: number for number, line in enumerate(lines)}
    moments = sorted({*first.values(), *last.values()})
    for number in moments:
        out = folder / f"killed-{number}"
        notes.write_text("")
        assert die_before(number, out), f"line {lines[number]} was not reached again"
        parts = {name: body for name, body in content(out).items() if name.startswith("part-")} if out.exists() else {}
        assert all(expected[name] == body for name, body in parts.items()), f"{lines[number]}: a part is not whole"
        if (out / "job.json").exists():
            assert len(list(jobs.rows(out))) + len(list(jobs.rejects(out))) == 2 * SIZE
        report = run(out, shards=2, progress=False)
        assert report.reused_shards == len(parts), f"{lines[number]}"
        twice = len(calls(notes)) - 2
        assert 0 <= twice <= 1, f"{lines[number]}: {twice} shards were redone"
        redone += twice
        assert content(out) == expected, f"{lines[number]}"
    print(json.dumps({"killed": len(moments), "redone": redone}))


if __name__ == "__main__":
    if sys.argv[1] == "every-line":
        every_line(Path(sys.argv[2]))
    else:
        run(sys.argv[2], **dict(zip(("workers", "rank", "world_size"), map(int, sys.argv[3:]), strict=True)))
