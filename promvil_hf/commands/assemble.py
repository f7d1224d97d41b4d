# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil assemble`: a LLaVA from a vision tower and a language model."""


from promvil_hf.commands import options


HELP = """
Put a LLaVA together from a pretrained vision tower and a pretrained language model.

    promvil assemble --vision google/siglip-base-patch16-224 --language HuggingFaceTB/SmolLM2-135M-Instruct --out smol-llava

What is written is an ordinary checkpoint, which transformers loads without this package (one with a convolutional tower after
`import promvil_hf`). Its projector is not trained: the model answers as if it saw noise until it is taught to see
(docs/assembling.md).
"""


def add_arguments(parser):
    parser.add_argument("--vision", required=True, metavar="MODEL", help="vision tower, a folder or a Hub id")
    parser.add_argument("--language", required=True, metavar="MODEL", help="causal language model, a folder or a Hub id")
    parser.add_argument("--vision-revision", metavar="REVISION", help="revision of the tower on the Hub")
    parser.add_argument("--language-revision", metavar="REVISION", help="revision of the language model on the Hub")
    parser.add_argument("--feature-layer", type=int, metavar="LAYER",
                        help="which hidden state of the tower the projector reads; -1 is the last (default: -2, the last but "
                        "one; of a convolutional tower the only one)")  # fmt: skip
    options.add(parser, "--dtype", "--seed")
    options.add(parser, "--out", required=True)


def run(args):
    from promvil_hf.assembling import assemble
    from promvil_hf.assembling.assemble import write

    if args.out.exists():
        raise FileExistsError(f"You asked to write a checkpoint to {args.out}, which is there already: name a new folder.")
    assembled = assemble(
        args.vision,
        args.language,
        feature_layer=args.feature_layer,
        vision_revision=args.vision_revision,
        language_revision=args.language_revision,
        dtype=args.dtype,
        seed=args.seed,
    )
    write(assembled, args.out, _card(args, assembled))
    print(_table(assembled))
    print(f"\nWritten: {args.out}. Its projector is untrained: align it first.")


def _table(assembled) -> str:
    whole = sum(assembled.parameters.values())
    counts = {**assembled.parameters, "together": whole}
    lines = [f"{name:16}{count:>16,}{count / whole:>8.1%}" for name, count in counts.items()]
    return "\n".join([f"{'part':16}{'parameters':>16}{'share':>8}", *lines, f"{assembled.image_tokens} tokens a picture"])


def _card(args, assembled) -> str:
    layer = assembled.model.config.vision_feature_layer
    return "\n".join(
        [
            "---\nlibrary_name: transformers\npipeline_tag: image-text-to-text\ntags:\n- llava\n---\n",
            "# A LLaVA put together from two pretrained parts\n",
            f"- vision tower: {args.vision}{_at(args.vision_revision)}, hidden state {layer}",
            f"- language model: {args.language}{_at(args.language_revision)}",
            f"- projector: two layers, weights drawn with seed {args.seed}, **not trained**\n",
            "The licences of both parts hold for this checkpoint. Made by `promvil assemble`.\n",
            f"```\n{_table(assembled)}\n```\n",
        ]
    )


def _at(revision: str | None) -> str:
    return f" at revision {revision}" if revision else ""
