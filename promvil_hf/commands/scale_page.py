# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.scale_page > docs/scale.md` writes the page about work beyond one machine."""

from collections.abc import Iterator

from promvil_hf.fetching.sources import size_text
from promvil_hf.reproducing.estimates import GPUS, hours_text
from promvil_hf.reproducing.large_scale import (
    ANSWER_TOKENS,
    BUILDS,
    COMPOVL,
    IMAGE_TOKENS,
    LETTERS_A_TOKEN,
    PAID,
    ROWS,
    SECONDS_AN_ANSWER,
    TURNS,
    WORDS,
    Build,
    prompt_length,
)


START = """# Beyond one machine

<!-- `python -m promvil_hf.commands.scale_page > docs/scale.md` writes this page: do not edit it. -->

Everything that takes long is a job in a folder: items stream in, shards of results come out, and a kill costs at most the
shard that is being written. The result is the same whichever process writes a shard: one process, several processes,
Ray's actors and a continued run leave the same bytes (`tests/laws/test_fivl_build.py`, `tests/laws/test_fivl_on_ray.py`).

## Who divides what

| work | divided by |
| --- | --- |
| CompoVL | `--workers N` on one machine; a second process is refused with a message |
| key expressions by a server | threads of one process (`--concurrency`), or senders of Ray (`--ray N`) |
| masks | ranks, or actors of Ray (`--ray N --gpus-per-task 1`) |
| regions of twins (`promvil twins`) | ranks |
| answers (`promvil evaluate`, `promvil reliance`) | ranks; with `--base-url` threads |
| the same in lmms-eval | its own ranks, with the tasks in [evaluation.md](evaluation.md) |
| training | `accelerate launch` or `torchrun`; configurations are in `recipes/accelerate` |

**Ranks** are read from `RANK` and `WORLD_SIZE` (torchrun, `accelerate launch`), or from `SLURM_PROCID` and
`SLURM_STEP_NUM_TASKS` inside `srun`. Those of a job array are not read, since arrays also hold unrelated runs:
its script sets `RANK=$SLURM_ARRAY_TASK_ID WORLD_SIZE=N`. Ranks need not run at the same time; whichever ends last finishes the
folder. Training counts only `RANK`: torch does not read Slurm's variables, so start it with `accelerate launch` or `torchrun`.

## Slurm

    sbatch recipes/jobs/masks.slurm

starts 16 tasks on 16 GPUs with `srun`. The file also has the line for a job array. Not run on a cluster: its commands are
parsed in `tests/recipes/test_jobs_on_the_hub.py`, and the variables of `srun` are tried with two ranks.

## Ray

    pip install 'promvil_hf[ray]'
    promvil build fivl ... --stage expressions --expressions endpoint --base-url URL --served-model NAME --ray 4
    promvil build fivl ... --stage masks --ray 16 --gpus-per-task 1

Masks: `map_batches` over shares of the shards, by a pool of actors; each loads its models once and takes the next share when it
is free. The folder must be one that all nodes see. Key expressions: `ray.data.llm`'s HTTP processor sends the prompts.

Two things in the code of that processor (Ray 2.60) decided how it is used. It passes answers on batch by batch, so one
failed request loses the paid answers of its batch. And it awaits requests one after another. So it gets
a session of ours (`promvil_hf.fivl.with_ray.KeepingSession`), which sends a batch at once and puts every paid answer on disk
before Ray sees it. Afterwards the stage runs as without Ray: it judges the answers on disk and asks for what is missing.

`recipes/jobs/key_expressions_vllm.py` has the configuration for vLLM inside Ray Data, without a server. **It was not run**: it
needs a GPU. It keeps answers only when a block is written.

## What a server is paid for

10,000 key expressions over a loopback server, of which one request in four fails (429, 500, 503, resets, cut bodies, broken
JSON that is paid), the client killed three times, the server replaced four times: no prompt with an answer on disk was asked
again, and at most the requests under way at a kill (8 threads) were lost.

    pytest -m slow -s tests/laws/test_nothing_paid_twice.py

The key is taken from `PROMVIL_API_KEY` in each process; it is in no file and in no pickle that Ray sends.

## Hugging Face Jobs

A script for each job, with its hardware and time-out in the header that `hf jobs uv run` reads (the Hub's default of 30
minutes is too short for any of them). A bucket is mounted as `/data`, so the same line continues a stopped job.
`YOU` is your name on the Hub; the bucket is made with `hf buckets create YOU/promvil`. None of them was run on the Hub. They
install `promvil_hf` from PyPI; before it is there, add `--with` and the address of a wheel.

| job | line |
| --- | --- |
| data of others | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/fetch.py vg vg-images` |
| CompoVL | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/compovl.py --workers 8` |
| key expressions | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/key_expressions.py --source llava ...` |
| the same by vLLM | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/key_expressions_vllm.py ...` |
| masks, one of four | `hf jobs uv run -d -e RANK=0 -e WORLD_SIZE=4 -v hf://buckets/YOU/promvil:/data recipes/jobs/masks.py ...` |
| a training | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/train.py kosmos2/lora --rows /data/compovl ...` |
| a benchmark | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/evaluate.py --benchmark refcocog ...` |
| [results.md](results.md) | `hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/results.py --out /data/results ...` |

Each script's docstring has the whole line.

## What the folder must be able to do

When a file is moved onto a name inside its folder, the next reader of that name must see it complete, and the folder must
list it. Nothing is appended, mapped, linked or written in place.

Locks keep a second writer out: POSIX record locks that all machines see (a local disk, NFS 4, Lustre mounted with `flock`,
GPFS, CephFS). A file system without them is refused, unless `PROMVIL_WITHOUT_LOCKS=1` is set: then you must make sure that no
share has two writers. The scripts for Jobs set it, since each job has its own folder or its own rank, and it is not known
whether a mounted bucket has locks. Two writers of a shard write the same bytes, so the result would not change. Work would be
lost, and drafts of killed writers (`.NAME....part`) stay until you delete them. Both are tried on
a file system without locks and without a sync of folders (`tests/unit/jobs/test_without_locks.py`).
"""


def page() -> str:
    """The page, the same on every machine."""
    return "\n".join([START, *_on_paper()]).rstrip("\n") + "\n"


def _on_paper() -> Iterator[str]:
    yield "## Estimates\n"
    yield (
        "Each number is a count times a rate; expect a factor of two. Only the first line was run, on made-up graphs "
        "([a rehearsal](reproduce.md#appendix-a-rehearsal)); nobody ran the others. "
        "The formula of each column stands below (`promvil_hf/reproducing/large_scale.py`).\n"
    )
    heads = (
        "build", "CPU core", "requests", "prompt tokens", "answer tokens", "64 requests at a time", f"masks, {GPUS[0].name}",
        "disk",
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |\n| {' | '.join('---' for _ in heads)} |"
    yield from map(_line, BUILDS)
    yield ""
    yield f"- CPU, CompoVL: images times {COMPOVL.seconds * 1e3:.1f} ms (`{COMPOVL.measured_by}`)."
    yield (
        f"- CPU, FiVL-Instruct: turns times {WORDS.seconds * 1e3:.2f} ms for key expressions by words, and conversations times "
        f"{ROWS.seconds * 1e3:.1f} ms for writing rows (`{WORDS.measured_by}`). Measured on drawn scenes, whose turns are "
        "short. Opening pictures comes on top."
    )
    yield f"- Requests: a turn each, {TURNS} turns a conversation (assumed). None at all with key expressions by words."
    yield (
        f"- Prompt tokens: {prompt_length():,} of instructions and examples ({LETTERS_A_TOKEN} letters a token) and "
        f"{IMAGE_TOKENS} of the picture; a server that caches prefixes reads the first part once. Answer tokens: "
        f"{ANSWER_TOKENS} (assumed)."
    )
    yield f"- Requests in hours: {SECONDS_AN_ANSWER:g} seconds an answer (assumed), 64 at a time."
    yield "- Masks: GroundingDINO tiny and SAM huge, counted operations at 35 % of the data sheet's speed; N GPUs take an Nth."
    yield (
        f"- Disk: {COMPOVL.bytes:,.0f} bytes an image of CompoVL; of FiVL-Instruct {ROWS.bytes:,.0f} bytes a conversation and "
        f"{PAID.bytes:,.0f} a paid answer (`{PAID.measured_by}`). Pictures are not in it.\n"
    )


def _line(build: Build) -> str:
    cells = [build.what, hours_text(build.cpu_hours)]
    if build.conversations:
        cells += [f"{count / 1e6:,.1f} M" for count in (build.requests, build.prompt_tokens, build.answer_tokens)]
        cells += [hours_text(build.request_hours()), hours_text(build.mask_hours)]
    else:
        cells += ["none", "", "", "", "none"]
    return f"| {' | '.join([*cells, size_text(round(build.disk))])} |"


if __name__ == "__main__":
    print(page(), end="")
