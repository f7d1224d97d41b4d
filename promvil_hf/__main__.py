# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf` is the command `promvil`."""

from promvil_hf.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
