# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Make the pictures of README and docs with the package itself: `python docs/pictures/make.py` (needs Chromium)."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from promvil_hf import pages
from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.world import WorldConfig, scenes


HERE = Path(__file__).parent


def main():
    for scene in scenes(WorldConfig(image_size=(320, 240), objects=(6, 8)), 200, seed=3):
        for expression in scene.expressions():
            chain = chain_of(scene, expression)
            if chain.levels == (1, 2, 3) and "robot" in expression.text and "touching" not in expression.text:
                strip = pages.chain_strip(scene.image(), chain, alt=expression.text, max_side=320)
                shoot(pages.page("Chain", strip), HERE / "chain.png")
                print(f"{HERE / 'chain.png'}: {expression.text}")
                return


def shoot(page, path: Path, size: str = "1040,760"):
    """The page below its header, as a PNG."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("No Chromium was found: install it, the pictures are screenshots.")
    with tempfile.TemporaryDirectory() as folder:
        html = pages.write(Path(folder) / "page.html", page)
        shot = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
        subprocess.run(
            [browser, *flags, f"--user-data-dir={folder}/profile", f"--screenshot={shot}", f"--window-size={size}", f"file://{html}"],
            check=True, capture_output=True,
        )  # fmt: skip
        picture = Image.open(shot).convert("RGB")
    empty = Image.new("RGB", picture.size, picture.getpixel((2, 2)))
    inked = np.asarray(ImageChops.difference(picture, empty)).any(2)
    rule = int(inked[:300].sum(1).argmax())  # the line under the header
    bottom = int(np.flatnonzero(inked.any(1))[-1])
    picture.crop((0, rule + 2, picture.width, bottom + 20)).quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
