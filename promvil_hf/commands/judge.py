# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil judge`: a model takes the tests of `promvil_hf.fivl.judge`, and its agreement with people."""

from hashlib import sha256
from operator import attrgetter

import numpy as np

from promvil_hf import jobs, pages
from promvil_hf.commands import dry_run, options
from promvil_hf.commands.inspect_fivl import QUESTIONS, row_of, sampled_keys, yes_answers
from promvil_hf.fivl import judge
from promvil_hf.fivl.fivl_rows import image_file
from promvil_hf.fivl.fivl_sample import agreement, share
from promvil_hf.metrics.intervals import Interval


HELP = """
Let a vision-language model judge a sample of FiVL-Instruct, and compare it with people's verdicts.

    promvil judge --rows fivl --config instruct --images images --out judged \\
        --base-url https://api.openai.com/v1 --served-model gpt-4o
    promvil judge ... --verdicts fivl-verdicts.json

Three tests for each key expression: how much its words need the image (0 to 10), whether the masked part alone shows it,
and whether the image without that part still does. The sample is the one that `promvil inspect fivl` shows with the same
--sample and --seed; with the verdicts saved there, the command prints precision, recall and agreement of the model with
each person, and of people with each other. After a stop the same command continues; no answer is paid for twice.
"""


def add_arguments(parser):
    options.add(parser, "--rows", "--images", "--out", required=True)
    options.add(parser, "--config", "--sample", "--seed", "--verdicts", "--restart", "--quiet", "--dry-run")
    server = parser.add_argument_group("server")
    options.add(server, "--base-url", "--served-model", required=True)
    options.add(server, *options.SERVER[2:])


def run(args):
    verdicts = [pages.read_verdicts(path) for path in args.verdicts or ()]
    sampled = sampled_keys(args)
    if args.dry_run:
        return print(dry_run.plan(_plan(args, sampled), "asked", "ask"))
    endpoint = options.make_endpoint(args)
    asked = sha256(repr((judge.IMPORTANCE, judge.CROP, judge.INVERSE)).encode()).hexdigest()[:16]
    sample = sha256(repr([(item.name, item.found.to_dict()) for item in sampled]).encode()).hexdigest()[:16]
    jobs.run(
        sampled,
        judge.Judge(endpoint, args.images),
        args.out / "judgements",
        key=attrgetter("name"),
        describe={"judge": args.served_model, "prompts": asked, "sample": sample},
        shard_size=32,
        restart=args.restart,
        progress=not args.quiet,
    )
    judged = dict(jobs.rows(args.out / "judgements"))
    print(summary(judged, dict(jobs.rejects(args.out / "judgements"))))
    for number, person_verdicts in enumerate(verdicts):
        print(compared(judged, person_verdicts))
        for other in verdicts[:number]:
            print(compared_people(person_verdicts, other))
    print(f"asked {args.served_model}: {endpoint.spent()}")


def _plan(args, sampled) -> list[str]:
    """What would be asked, and which pictures are missing."""
    images = {item.row.image_path for item in sampled}
    return [
        f"{len(sampled):,} key expressions in {len(images):,} pictures, {len(judge.TESTS)} questions about each",
        f"asked: up to {len(judge.TESTS) * len(sampled):,} requests to {dry_run.who(args)}",
        f"not paid for again: what {args.cache or args.out / 'paid'} holds",
        *dry_run.missing(images, lambda name: image_file(args.images, name).is_file(), args.images),
        *([] if args.restart else dry_run.answered(args.out / "judgements", len(sampled))),
        f"written: {args.out}",
    ]


def summary(judged: dict[str, dict], rejects: dict) -> str:
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


PAIRS = (("important", "key"), ("crop", "mask"), ("inverse crop", "mask"), ("both crops", "mask"))


def compared(judged: dict[str, dict], verdicts: pages.Verdicts) -> str:
    """Precision, recall and agreement of the model, with the person's verdicts on the same key expressions as the truth."""
    answers = tests(judged)
    lines = [f"against the verdicts of {verdicts.judge or 'somebody'}"]
    lines += [_agreed(f"{test} ~ {question}", answers[test], yes_answers(verdicts, question)) for test, question in PAIRS]
    return "\n".join(lines)


def compared_people(first: pages.Verdicts, second: pages.Verdicts) -> str:
    """The same of one person against another."""
    lines = [f"{first.judge or 'somebody'} against {second.judge or 'somebody'}"]
    for question in QUESTIONS:
        lines.append(_agreed(question.key, yes_answers(first, question.key), yes_answers(second, question.key)))
    return "\n".join(lines)


def _agreed(name: str, first: dict[str, bool], second: dict[str, bool]) -> str:
    found = agreement(first, second, row_of)
    if found is None:
        return f"{name}: nothing that both judged"
    parts = [f"{name} same in {_share(found.same)} of {found.both}, kappa {_kappa(found.kappa)}"]
    parts += [f"{what} {_share(rate)}" for what, rate in (("precision", found.precision), ("recall", found.recall)) if rate]
    return ", ".join(parts)


def _kappa(found: Interval) -> str:
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _share(found: Interval) -> str:
    return f"{found.estimate:.1%} [{found.low:.1%}, {found.high:.1%}]"
