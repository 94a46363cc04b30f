"""Make samples/ again: the PETS 2009 excerpt from OpenCV's `vtest.avi`, and every synthetic scene.

    apt-get download opencv-doc && dpkg-deb -x opencv-doc_*.deb doc
    python scripts/make_samples.py --pets doc/usr/share/doc/opencv-doc/examples/data/vtest.avi

Without --pets only the synthetic scenes are rendered. The truth of the excerpt is hand-made and is left alone.
"""

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from gridwatch.domain.frame import Image
from gridwatch.rig.scenes import encode, make_all

EXCERPT = "pets2009-s2l1-street.mp4"
FIRST_FRAME, FRAMES = 440, 350
"""44.0 s to 79.0 s of 79.5: the stretch with people on the lawn, a crowded junction and crossings both ways."""
FPS = 10
QUALITY = 28
"""x264 constant rate factor: 2.3 MB, and as many people found as in the source."""


def excerpt(source: Path) -> Iterator[Image]:
    """The pictures of the excerpt, BGR. `source` is vtest.avi or a transcode with the same 795 frames."""
    with av.open(str(source)) as container:
        for frame in islice(container.decode(video=0), FIRST_FRAME, FIRST_FRAME + FRAMES):
            yield frame.to_ndarray(format="bgr24")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pets", type=Path, help="vtest.avi of Debian's opencv-doc, or a transcode of it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "samples")
    options = parser.parse_args()
    make_all(options.out, lambda name: _say(f"rendered {name}"))
    if options.pets:
        encode(excerpt(options.pets), options.out / "streams" / EXCERPT, Fraction(FPS), QUALITY)
        _say(f"cut {EXCERPT}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
