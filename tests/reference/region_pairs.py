# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pairs of regions in the control flow of PromViL's `preprocess.py`, written from its description.

Only its call `tqdm(len(...))`, which cannot run, is mended.
"""

import itertools
import json
import random
import re
from pathlib import Path

from promvil_hf.compovl import region_pairs


def pairs(attributes: list, region_graphs: list, out: Path, every_pair: bool) -> list[dict]:
    """Everything by list position; a frame that grows and is deduplicated and written whole for each image."""
    import pandas as pd

    random.seed(region_pairs.SEED)
    frame = pd.DataFrame()
    for position in range(len(attributes)):
        known = list({thing["object_id"] for thing in attributes[position]["attributes"]})
        kept = [region for region in region_graphs[position]["regions"] if usable(region, known)]
        drawn = [region["region_id"] for region in kept]
        drawn = random.sample(drawn, min(region_pairs.REGION_LIMIT, len(drawn)))
        regions, mentioned = [], []
        for region in kept:
            if region["region_id"] in drawn:
                regions.append(region)
                mentioned.extend(list({thing["object_id"] for thing in region["objects"]}))
        counts: dict = {}
        for object_id in mentioned:
            counts[object_id] = counts.get(object_id, 0) + 1
        shared = [object_id for object_id, times in counts.items() if times >= 2]
        things = {
            thing["object_id"]: {
                "object_id": thing["object_id"],
                "names": thing["names"],
                "box": [thing["x"], thing["y"], thing["h"], thing["w"]],
            }
            for thing in attributes[position]["attributes"]
        }
        if not shared:
            continue
        groups: dict = {}
        for region in sorted(regions, key=lambda region: region["relationships"][0]["subject_id"]):
            members = []
            for mention in region["objects"]:
                thing = things[mention["object_id"]]
                thing["region_id"] = region["region_id"]
                members.append(thing)
            entry = {
                "box": [region["x"], region["y"], region["width"], region["height"]],
                "phrase": region["phrase"],
            }
            for mention in region["objects"]:
                key = mention["object_id"]
                if key not in shared or things[key]["names"][0] not in region["phrase"]:
                    continue
                if key in groups:
                    new = [other for other in members if other not in groups[key]["objects"]]
                    if new:
                        groups[key]["regions"].update({region["region_id"]: entry})
                        groups[key]["objects"].extend(new)
                else:
                    groups[key] = {"regions": {region["region_id"]: entry}, "common_objects": things[key]}
                    groups[key]["objects"] = members
        rows = []
        for group in list(groups.values()):
            row = dict(group)
            names = ", ".join(group["common_objects"]["names"])
            phrases = [entry["phrase"] for entry in group["regions"].values()]
            if len(set(phrases)) < 2:
                continue
            for pair in [list(two) for two in itertools.combinations(list(group["regions"]), 2)]:
                prompt = "; ".join(group["regions"][region_id]["phrase"] for region_id in pair)
                prompt += f"; (In this context: {names} refer to the same object)"
                row["prompt"] = region_pairs.TEMPLATE.format(phrases=re.sub("[^A-Za-z0-9()]+$", "", prompt).lower())
                row["image_id"] = position
                rows.append(dict(row) if every_pair else row)
        frame = pd.concat([frame, pd.DataFrame.from_records(rows)], ignore_index=True)
        frame = frame.drop_duplicates(subset=["prompt", "image_id"])
        frame.to_json(out, orient="records", lines=True, index=False)
    return [json.loads(line) for line in out.read_text().splitlines()]


def usable(region: dict, known: list) -> bool:
    if "cloud" in region["phrase"] or "sky" in region["phrase"]:
        return False
    return len(region["relationships"]) >= 1 and any(thing["object_id"] in known for thing in region["objects"])
