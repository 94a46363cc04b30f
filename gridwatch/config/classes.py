"""Groups of class names: what a rule can ask for in one word, and what a detector confuses."""

from typing import Final

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "vehicle": (
        # A car from above is a boat to many models, and a lorry's side a train.
        "vehicle", "car", "truck", "bus", "train", "boat", "van", "minibus", "pickup", "taxi", "trailer", "tractor",
        "ambulance", "fire truck", "police car", "excavator", "forklift",
    ),
    "cycle": ("bicycle", "motorcycle", "scooter", "electric bicycle", "tricycle", "rickshaw"),
    "animal": (
        "animal", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "boar",
        "chicken", "deer", "duck", "fox", "goat", "monkey", "pig", "rabbit", "rat", "wolf",
    ),
    "bag": ("bag", "backpack", "handbag", "suitcase", "luggage", "box", "package"),
}  # fmt: skip
"""By the word that stands for them in `classes` of a rule. A detector may call one object by several names of a group,
from picture to picture; its track takes the name with most score."""

GROUP_OF: Final[dict[str, str]] = {label: group for group, labels in GROUPS.items() for label in labels}
"""The group of a class name; most names have none."""


def expanded(classes: tuple[str, ...]) -> tuple[str, ...]:
    """`classes` with each group in place of its word, nothing twice, in order."""
    return tuple(dict.fromkeys(label for one in classes for label in GROUPS.get(one, (one,))))
