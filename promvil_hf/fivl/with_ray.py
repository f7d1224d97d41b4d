# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The two stages of FiVL-Instruct on Ray: masks by a pool of actors, key expressions by `ray.data.llm`.

Ray decides who works where. What is done and where it is written stays with `promvil_hf.jobs` and with the folder of paid
answers, so that a run with Ray, one without, and one that was begun with and ended without leave the same bytes.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from promvil_hf import jobs
from promvil_hf.distributed import Ranks
from promvil_hf.endpoint.completions import completions_url
from promvil_hf.fivl.extraction import SeenTurn, prompt
from promvil_hf.fivl.extraction import schema as answer_schema
from promvil_hf.images import UnreadableImage
from promvil_hf.jobs import JobReport


if TYPE_CHECKING:
    from promvil_hf.endpoint import Endpoint

ON_DISK, NO_REPLY = 0, 1  # beside the statuses of HTTP
SHARES_AN_ACTOR = 4  # so that a slow actor does fewer of them


def started_ray() -> ModuleType:
    """Ray, connected to its cluster, or to one on this machine."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            "Ray is not installed: pip install 'promvil_hf[ray]', or start the stage with torchrun."
        ) from error
    if not ray.is_initialized():
        ray.init(configure_logging=False, log_to_driver=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


# --- masks ----------------------------------------------------------------------------------------


class MaskMaker:
    """An actor that does shares of the mask stage; its models are loaded once."""

    def __init__(self, run_rank: Callable[[Ranks], JobReport], shares: int):
        self.run_rank, self.shares = run_rank, shares

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        reports = [self.run_rank(Ranks(int(share), self.shares)) for share in batch["share"]]
        return {"share": batch["share"], "finished": [report.finished for report in reports]}


def masks_with_ray(run_rank: Callable[[Ranks], JobReport], actors: int, num_gpus: float = 0) -> JobReport:
    """`run_rank`, share by share, by so many actors of Ray Data; gives the report of the whole.

    The job's folder must be one that every node sees. A killed run goes on where it stopped, with any number of actors.
    """
    ray = started_ray()
    count = SHARES_AN_ACTOR * actors
    shares = ray.data.from_items([{"share": share} for share in range(count)], override_num_blocks=count)
    done = shares.map_batches(
        MaskMaker, fn_constructor_args=(run_rank, count), batch_size=1, num_cpus=1, num_gpus=num_gpus or None,
        compute=ray.data.ActorPoolStrategy(size=actors),
    ).take_all()  # fmt: skip
    if not any(row["finished"] for row in done):
        raise jobs.JobError("Ray's actors ended and the job is not finished: run it again to do what is left.")
    return run_rank(Ranks())  # every shard is there: this only reads them and reports


# --- key expressions ------------------------------------------------------------------------------


class KeepingSession:
    """A session of aiohttp as Ray's HTTP stage wants it, that keeps each paid answer on disk before Ray sees it.

    Ray passes answers on batch by batch, so a request that fails for good would take the paid answers of its batch with it.
    Here it ends with its status, and the stage asks for it again. All requests of a batch are under way at once. A prompt
    whose answer is on disk is answered from there.
    """

    def __init__(self, endpoint: "Endpoint"):
        self.endpoint = endpoint
        self.tries: Counter[str] = Counter()
        self.under_way: list[asyncio.Task] = []

    async def __aenter__(self) -> "KeepingSession":
        import aiohttp

        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.endpoint.timeout))
        return self

    async def __aexit__(self, *_) -> None:
        await asyncio.gather(*self.under_way, return_exceptions=True)  # they are paid: let them be stored
        await self.session.close()

    def post(self, url: str, headers: dict[str, str], data: str) -> "asyncio.Task[_Reply]":
        task = asyncio.create_task(self._asked(url, headers, data))
        self.under_way.append(task)
        return task

    async def _asked(self, url: str, headers: dict[str, str], data: str) -> "_Reply":
        import aiohttp

        messages, schema = json.loads(data)["messages"], answer_schema()
        if self.endpoint.is_paid(messages, schema):
            return _Reply(ON_DISK, seen_by_ray=200)
        self.tries[data] += 1
        last = self.tries[data] >= self.endpoint.attempts
        headers = {**headers, **self.endpoint.headers()}  # the key is that of this process
        try:
            async with self.session.post(url, headers=headers, data=data, allow_redirects=False) as response:
                body = await response.read()
        except (TimeoutError, aiohttp.ClientError):
            return _Reply(NO_REPLY, seen_by_ray=200 if last else 503)
        if response.status in (401, 402):
            raise jobs.JobError(f"The server refused the key or the account ({response.status}): mend that and run again.")
        if response.status == 200 and not self.endpoint.keep(messages, schema, body):
            return _Reply(NO_REPLY, seen_by_ray=200)
        return _Reply(response.status, seen_by_ray=200 if last else response.status)


class _Reply:
    """What Ray's HTTP stage reads of a response: a status by which it tries again. The answer itself is on disk."""

    reason = None

    def __init__(self, ended: int, seen_by_ray: int):
        self.ended, self.status = ended, seen_by_ray

    async def __aenter__(self) -> "_Reply":
        return self

    async def __aexit__(self, *_) -> None:
        pass

    async def json(self) -> dict[str, int]:
        return {"ended": self.ended}


def ask_with_ray(
    turns: Iterable[SeenTurn], endpoint: "Endpoint", show_image: bool = True, *, senders: int = 1
) -> dict[int, int]:
    """Send the prompts of all turns, each once, by `ray.data.llm`'s HTTP processor; `endpoint` finds the answers on disk.

    `senders` actors have `endpoint.concurrency` requests under way each. Gives how many prompts ended with each status of
    HTTP, `ON_DISK` or `NO_REPLY`. Run the stage afterwards as without Ray: it judges the answers, and asks for what is
    missing.
    """
    ray = started_ray()
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    def asked(row: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            return [{"payload": endpoint.payload(prompt(row["turn"], show_image), answer_schema())}]
        except UnreadableImage:
            return []  # the stage rejects it with its reason

    config = HttpRequestProcessorConfig(
        url=completions_url(endpoint.base_url), batch_size=endpoint.concurrency, concurrency=senders,
        max_retries=endpoint.attempts - 1, base_retry_wait_time_in_s=endpoint.first_wait,
        session_factory=partial(KeepingSession, endpoint),
    )  # fmt: skip
    processor = build_processor(config, postprocess=lambda row: {"ended": row["http_response"]["ended"]})
    different = {(each.turn.question, each.turn.answer, each.image): each for each in turns if each.fault is None}
    rows = ray.data.from_items([{"turn": turn} for turn in different.values()]).flat_map(asked)
    return dict(Counter(row["ended"] for row in processor(rows).iter_rows()))
