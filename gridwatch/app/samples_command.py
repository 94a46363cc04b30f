"""The samples commands: synthetic scenes with exact truth."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from gridwatch.app.parallel import in_order
from gridwatch.app.progress import bars
from gridwatch.app.writing import make_folder
from gridwatch.domain import UsageError
from gridwatch.rig.scenes import Scene, Variant, another, kit_scenes, render_kit

_ALL = "all"


def make_scenes(
    names: Sequence[str], variants: Sequence[str], out: Path, jobs: int | None, seed: int | None = None
) -> None:
    """Render each of the scenes under each of the variants into `out`; `all` stands for all.

    With a `seed`, the version of each that it gives. Raises UsageError for an unknown name or a folder that cannot be
    made, RigError when a version cannot be drawn or a file not be written.
    """
    usual = kit_scenes()
    wanted = [Variant(one) for one in _chosen("variant", variants, list(Variant))]
    chosen = _chosen("scene", names, list(usual))
    scenes = [usual[name] if seed is None else another(name, seed) for name in chosen]
    made = [scene.under(variant) for scene in scenes for variant in wanted]
    make_folder(out)
    with bars() as progress:
        task = progress.add_task("rendering", total=sum(scene.seconds for scene in made))
        for scene, _ in zip(made, in_order(partial(_render, out), made, jobs), strict=True):
            progress.update(task, advance=scene.seconds, description=scene.name)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{out}: {len(made)} made, each with its truth and configuration; try: gridwatch replay {out}")


def _chosen(what: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    for name in names:
        if name not in known and name != _ALL:
            raise UsageError(f"there is no {what} {name!r}; there are {', '.join(known)}, and {_ALL}")
    return list(known) if _ALL in names else list(dict.fromkeys(names))


def _render(folder: Path, scene: Scene) -> None:
    render_kit(scene, folder)
