# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Let a vision-language model judge a sample of FiVL-Instruct, and compare it with a person's verdicts.

    promvil judge fivl --config instruct --images images --base-url https://api.openai.com/v1 --model gpt-4o --out judged
    promvil judge fivl ... --human fivl-verdicts.json

Three tests for each key expression: how much its words need the image (0 to 10), whether the masked part alone shows it,
and whether the image without that part still does. The sample is the one that `promvil inspect fivl` shows with the same
--sample and --seed. The same command goes on after an interruption; a paid answer is never bought again.

Floor 5.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np

from promvil_hf import jobs, pages
from promvil_hf.commands.inspect_fivl import row_of, yes_answers
from promvil_hf.endpoint import Endpoint
from promvil_hf.fivl import judge
from promvil_hf.fivl.fivl_publish import CONFIGS, read_rows
from promvil_hf.fivl.fivl_sample import SampledKey, agreement, sample_keys, share


def add_arguments(parser):
    add = parser.add_argument
    add("data", type=Path, help="folder that `promvil build fivl` wrote")
    add("--config", choices=CONFIGS, help="which part of it (default: the only one)")
    add("--images", type=Path, required=True, metavar="DIR", help="folder that the image names are relative to")
    add("--base-url", required=True, metavar="URL", help="address of an OpenAI-compatible server")
    add("--model", required=True, metavar="NAME", help="its name there; the key is taken from PROMVIL_API_KEY")
    add("--out", type=Path, required=True, help="folder for answers, judgements and rejects")
    add("--sample", type=int, default=100, metavar="N", help="key expressions to judge (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    add("--human", type=Path, metavar="FILE", help="verdicts saved from the page: print how often both agree")
    add("--concurrency", type=int, default=8, help="requests at a time (default: %(default)s)")
    add("--requests-per-minute", type=float, metavar="N", help="rate limit")
    add("--prompt-price", type=float, default=0.0, metavar="P", help="per million tokens")
    add("--completion-price", type=float, default=0.0, metavar="P", help="per million tokens")
    add("--quiet", action="store_true", help="no progress")


def run(args):
    verdicts = None if args.human is None else pages.read_verdicts(args.human)
    sampled = sample_keys(read_rows(args.data, args.config), args.sample, args.seed)
    if not sampled:
        raise ValueError(f"{args.data} has no key expression with a mask: there is nothing to judge.")
    endpoint = Endpoint(
        args.base_url,
        args.model,
        args.out / "answers",
        concurrency=args.concurrency,
        requests_per_minute=args.requests_per_minute,
        prompt_price=args.prompt_price,
        completion_price=args.completion_price,
    )
    asked = sha256(repr((judge.IMPORTANCE, judge.CROP, judge.INVERSE)).encode()).hexdigest()[:16]
    sample = sha256(repr([(item.name, item.found.to_dict()) for item in sampled]).encode()).hexdigest()[:16]
    jobs.run(
        sampled,
        judge.Judge(endpoint, args.images),
        args.out / "judgements",
        key=_name,
        describe={"judge": args.model, "prompts": asked, "sample": sample},
        shard_size=32,
        progress=not args.quiet,
    )
    judged = dict(jobs.rows(args.out / "judgements"))
    print(told(judged, dict(jobs.rejects(args.out / "judgements"))))
    if verdicts is not None:
        print(compared(judged, verdicts))
    print(f"asked {args.model}: {endpoint.spent()}")


def _name(item: SampledKey) -> str:
    return item.name


def told(judged: dict[str, dict], rejects: dict) -> str:
    """What the three tests say, with intervals over images."""
    lines = [f"{len(judged) + len(rejects)} key expressions, {len(judged)} judged, {len(rejects)} rejected"]
    for name, rejected in rejects.items():
        lines.append(f"  {name}: {rejected.reason} ({rejected.detail[:100]})")
    if not judged:
        return "\n".join(lines)
    images = [row["image_path"] for row in judged.values()]
    scores = np.array([row["importance"] for row in judged.values()], float)
    lines.append(f"importance    {scores.mean():.2f} of 10 on average")
    for label, answers in tests(judged).items():
        found = share(list(answers.values()), images)
        lines.append(f"{label:<13} {found.estimate:.1%} [{found.low:.1%}, {found.high:.1%}]")
    return "\n".join(lines)


def tests(judged: dict[str, dict]) -> dict[str, dict[str, bool]]:
    """Each test as yes or no, yes being good: the inverse crop is good where nothing is left of the thing."""
    return {
        "important": {name: row["important"] for name, row in judged.items()},
        "crop": {name: row["crop"] for name, row in judged.items()},
        "inverse crop": {name: not row["inverse"] for name, row in judged.items()},
        "both crops": {name: row["crop"] and not row["inverse"] for name, row in judged.items()},
    }


def compared(judged: dict[str, dict], verdicts: pages.Verdicts) -> str:
    """How often the model says what the person said of the same key expressions."""
    lines = [f"against the verdicts of {verdicts.judge or 'somebody'}"]
    own = tests(judged)
    for test, question in (("important", "key"), ("crop", "mask"), ("inverse crop", "mask"), ("both crops", "mask")):
        found = agreement(own[test], yes_answers(verdicts, question), row_of)
        if found is None:
            lines.append(f"{test} ~ {question}: nothing that both judged")
            continue
        same = found.same
        lines.append(
            f"{test:<12} ~ {question:<4} same in {same.estimate:.1%} [{same.low:.1%}, {same.high:.1%}] of {found.both}, "
            f"kappa {found.kappa:.2f}"
        )
    return "\n".join(lines)
