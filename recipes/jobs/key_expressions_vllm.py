# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf[ray]", "ray[llm]>=2.60"]
#
# [tool.hf-jobs]
# flavor = "a100-large"
# timeout = "2d"
# ///
"""Key expressions by vLLM inside Ray Data, without a server. NOT RUN where it was written: there was no GPU.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/key_expressions_vllm.py \\
        --files /data/sources/llava/llava_v1_5_mix665k.json --images /data/sources --out /data/fivl_proposals

Writes records of question, answer and prompts, block by block; a finished block is not done again only by the folder's name,
so give each part of the conversations (--limit, or a cut file) its own --out. `promvil build fivl --expressions FILE` reads
them, joined with `cat /data/fivl_proposals/*.json`. With a server, `promvil build fivl --expressions endpoint --ray N` keeps
every answer at once and is the safer way.
"""

import argparse
from pathlib import Path

from promvil_hf.endpoint import read_structured
from promvil_hf.fivl.conversation_sources import CONVERSATIONS, Source
from promvil_hf.fivl.extraction import prompt, seen_turns
from promvil_hf.fivl.extraction import schema as answer_schema
from promvil_hf.fivl.with_ray import started_ray
from promvil_hf.jobs import Rejected


def configuration(model: str, tensor_parallel: int = 1):
    """What `ray.data.llm` is told of the engine."""
    from ray.data.llm import vLLMEngineProcessorConfig

    return vLLMEngineProcessorConfig(
        model_source=model,
        engine_kwargs={
            "max_model_len": 8_192, "tensor_parallel_size": tensor_parallel, "enable_prefix_caching": True,
            "limit_mm_per_prompt": {"image": 1},
        },
        batch_size=64, concurrency=1, should_continue_on_error=True, prepare_multimodal_stage={"enabled": True},
    )  # fmt: skip


def asked(row: dict) -> dict:
    """The engine's input for a turn: the messages that a server would get, and the schema of the answer."""
    schema = answer_schema().model_json_schema()
    sampling = {"temperature": 0.0, "max_tokens": 1_024, "structured_outputs": {"json": schema}}
    turn = row["turn"].turn
    return {"messages": prompt(row["turn"]), "sampling_params": sampling, "question": turn.question, "answer": turn.answer}


def proposed(row: dict) -> dict:
    """A record as `--expressions FILE` reads it; without prompts where the engine gave no answer that fits."""
    found = read_structured(row.get("generated_text") or "", answer_schema())
    phrases = [] if isinstance(found, Rejected) else list(found.key_expressions)
    return {"question": row["question"], "answer": row["answer"], "prompts": phrases}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=tuple(CONVERSATIONS), default="llava")
    parser.add_argument("--files", type=Path, nargs="+", required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="Qwen/Qwen3-VL-8B-Instruct")
    parser.add_argument("--limit", type=int)
    args = parser.parse_args(words)
    ray = started_ray()
    from ray.data.llm import build_processor

    turns = seen_turns(Source(args.source, tuple(args.files), args.limit), args.images)
    rows = ray.data.from_items([{"turn": turn} for turn in turns if turn.fault is None])
    build_processor(configuration(args.model), preprocess=asked, postprocess=proposed)(rows).write_json(str(args.out))


if __name__ == "__main__":
    main()
