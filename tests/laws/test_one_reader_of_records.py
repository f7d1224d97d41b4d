# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One module decodes the JSON of users' files and says where lines end; each check is shown to bite."""

import pytest

from tests.laws.sources import methods, modules, says, used


# Whoever else decodes JSON, and what it reads. None of it is a file that a user wrote.
OTHERS = {
    "promvil_hf/commands/demo/chapters.py": "settings that the demo wrote",
    "promvil_hf/commands/demo/fivl.py": "what the demo wrote a moment ago",
    "promvil_hf/commands/demo/world.py": "what the demo wrote a moment ago",
    "promvil_hf/compovl/compovl_build.py": "the report of a build",
    "promvil_hf/compovl/compovl_publish.py": "drafts of a build",
    "promvil_hf/compovl/compovl_rows.py": "shards of a job",
    "promvil_hf/compovl/region_pairs.py": "decoders for `visual_genome_files.entries`",
    "promvil_hf/compovl/visual_genome.py": "lines of image_data; those that fail go to json_records",
    "promvil_hf/compovl/visual_genome_files.py": "records of GB, typed for speed; those that fail go to json_records",
    "promvil_hf/compovl/visual_genome_records.py": "decoders for `visual_genome_files.entries`",
    "promvil_hf/dialects/qwen_json.py": "answers of models",
    "promvil_hf/endpoint/client.py": "requests to servers",
    "promvil_hf/endpoint/completions.py": "answers of servers",
    "promvil_hf/endpoint/store.py": "answers that were paid",
    "promvil_hf/evaluation/metric_space.py": "what is typed into a form",
    "promvil_hf/fivl/fivl_build.py": "files of a job",
    "promvil_hf/fivl/fivl_publish.py": "files of a job",
    "promvil_hf/fivl/with_ray.py": "requests to servers",
    "promvil_hf/job_files.py": "files of a job",
    "promvil_hf/jobs.py": "files of a job",
    "promvil_hf/kept_results.py": "results that were kept",
    "promvil_hf/nesting/decomposers.py": "answers of models",
    "promvil_hf/publishing.py": "files of a job",
    "promvil_hf/training/run_training.py": "values on the command line",
    "promvil_hf/training/window_trainer.py": "losses that training wrote",
}


def decodes_json(source):
    ways = ("json.load", "json.loads", "msgspec.json.decode", "msgspec.json.Decoder")
    return [line for line, name in used(source) if name in ways] if says(source, "json") else []


def splits_lines_everywhere(source):
    """`splitlines`, which also ends lines at characters that text may hold, such as U+2028."""
    names = ("splitlines", "readlines")
    return [line for line, name, _ in methods(source) if name in names] if says(source, *names) else []


def test_only_json_records_decodes_the_files_of_users():
    found = {path for path, source in modules("promvil_hf") if decodes_json(source)}
    assert found - OTHERS.keys() == {"promvil_hf/json_records.py"}
    assert not OTHERS.keys() - found, "strike out what decodes nothing any more"


def test_no_module_ends_lines_at_anything_but_a_line_feed():
    found = {path for path, source in modules("promvil_hf") if splits_lines_everywhere(source)}
    assert found == {"promvil_hf/commands/recipe.py"}  # the comment over a recipe of ours


@pytest.mark.parametrize(
    "law, source",
    [
        (decodes_json, "import json\njson.loads('1')"),
        (decodes_json, "import json as read\nread.load(file)"),
        (decodes_json, "from json import loads as read"),
        (decodes_json, "import msgspec\ndecode = msgspec.json.decode"),
        (decodes_json, "from msgspec.json import Decoder"),
        (splits_lines_everywhere, "def f(path):\n    return path.read_text().splitlines()"),
        (splits_lines_everywhere, "file.readlines()"),
    ],
)
def test_each_check_bites(law, source):
    assert law(source)


@pytest.mark.parametrize(
    "law, source",
    [
        (decodes_json, "import json\njson.dumps(1)\nimport msgspec\nmsgspec.json.encode(1)"),
        (splits_lines_everywhere, "text.split('\\n')"),
    ],
)
def test_no_check_bites_what_is_allowed(law, source):
    assert law(source) == []
