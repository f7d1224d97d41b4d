# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the laws of the endpoint client ask with: a key, two schemas, and the files of the answers kept."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


KEY = "sk-secret-0123456789abcdef"
REPOSITORY = Path(__file__).resolve().parents[3]


class Phrases(BaseModel):
    phrases: list[str]
    count: int


class StrictPhrases(BaseModel):
    model_config = ConfigDict(extra="forbid")
    phrases: list[str]
    count: int


def stored(endpoint) -> list[Path]:
    return sorted(Path(endpoint.cache_dir).rglob("*.json"))
