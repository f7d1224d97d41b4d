# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil explore`, over `promvil_hf.explain.explorer`."""

from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.explain.explorer import Run, app


HELP = """
Look through saved explanations in a browser: filters, one checkpoint or two side by side. Needs no model.

    promvil explore runs/atlas --images images
    promvil explore runs/before runs/after --images images --port 7860

The folders are what `promvil explain` wrote. Needs gradio: pip install "promvil_hf[app]".
"""


def add_arguments(parser):
    parser.add_argument("runs", type=Path, nargs="+", metavar="FOLDER", help="one or two folders of `promvil explain`")
    options.add(parser, "--images", required=True)
    parser.add_argument("--host", default="127.0.0.1", help="address to serve the page on (default: for this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="port of the page")


def run(args):
    if len(args.runs) > 2:
        raise ValueError(f"You passed {len(args.runs)} folders: one is shown, or two side by side.")
    names = [path.name for path in args.runs]
    if len(set(names)) < len(names):
        names = [str(path) for path in args.runs]
    runs = [Run.read(path, name) for path, name in zip(args.runs, names, strict=True)]
    app(runs, args.images).launch(server_name=args.host, server_port=args.port, share=False, quiet=True)
