"""Which classes a model may name: things and events, never identities."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from gridwatch.detectors.errors import IdentityModelRefused, LabelsError

_COCO_80 = Path(__file__).with_name("labels_coco80.txt")
PERSON: Final = "person"
"""The class whose heads are blurred in evidence, so the only name a model may give to people."""
_BEYOND_COCO = (
    "fire", "smoke",
    # vehicles
    "van", "minibus", "pickup", "taxi", "trailer", "tractor", "tricycle", "rickshaw", "scooter", "electric bicycle",
    "ambulance", "fire truck", "police car", "excavator", "forklift", "vehicle",
    # what is carried, and left behind
    "bag", "luggage", "box", "package", "cart", "stroller",
    # animals
    "animal", "boar", "chicken", "deer", "duck", "fox", "goat", "monkey", "pig", "rabbit", "rat", "wolf",
)  # fmt: skip
_IDENTITY = re.compile(
    r"face|facial|plate|licen[cs]e|number.?plate|re.?id|identity|iris|fingerprint|gait|gender|ethnic|人脸|面部|车牌|身份|性别|民族",
    re.IGNORECASE,
)


@cache
def coco_labels() -> tuple[str, ...]:
    """The 80 classes of COCO 2017 in their usual order, as the packaged model has them."""
    return tuple(_COCO_80.read_text(encoding="utf-8").splitlines())


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names from a file, one a line. Raises LabelsError when it cannot be read or is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LabelsError(f"label file {path} cannot be read: {reason}; check `labels`") from error
    return tuple(line.strip() for line in lines if line.strip())


def check_labels(labels: Sequence[str], origin: str) -> None:
    """Pass only models all of whose classes are allowed: COCO's 80, fire, smoke, vehicles, bags and animals.

    An allow-list, because a list of forbidden words is evaded by renaming a class. `origin` names the weights in the
    message. Raises IdentityModelRefused for a class of identity, LabelsError for any other class outside the list.
    """
    allowed = {*coco_labels(), *_BEYOND_COCO}
    for label in labels:
        if label in allowed:
            continue
        if _IDENTITY.search(label):
            raise IdentityModelRefused(
                f"{origin} detects {label!r}: refused. gridwatch detects incidents, not identities, and runs no model "
                "with classes for faces, licence plates or persons' traits; use a model without that class"
            )
        near = get_close_matches(label.lower(), allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise LabelsError(
            f"{origin} has the class {label!r}, which is not on the list of allowed classes "
            f"(the 80 of COCO, fire, smoke, types of vehicles, bags and animals: docs/detectors.md){hint}"
        )
    if not labels or len(set(labels)) != len(labels):
        raise LabelsError(f"{origin} has no class names or names one twice; export it with distinct `names`")
