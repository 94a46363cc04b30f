import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_quick_bench_gives_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "ingest.json"
    command = [sys.executable, "-m", "bench.ingest", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    for name in (
        "busy_vs_ffmpeg_floor", "frigates_way_vs_ffmpeg_floor", "idle_vs_full_decode", "cpu_per_camera_4",
        "memory_per_camera_4", "threads_4", "first_frame_seconds", "return_p95_seconds",
    ):  # fmt: skip
        assert figures[name] > 0, name
        assert name in done.stdout
    # Far from the goals, so that a busy machine does not fail it: asleep is less than awake, and reading is not double.
    assert figures["idle_vs_full_decode"] < 0.6
    assert figures["busy_vs_ffmpeg_floor"] < 2.0


def test_figures_come_into_the_page_where_it_says_so(tmp_path: Path) -> None:
    from bench.figures import Figure, into_page, write

    page, numbers = tmp_path / "performance.md", tmp_path / "ingest.json"
    page.write_text("before\n\n<!-- bench:ingest -->\nold\n<!-- end -->\n\nafter\n", encoding="utf-8")
    write(numbers, [Figure.of("ratio", [0.5, 0.7, 0.6], goal=0.95), Figure.of("threads", [4])])
    into_page("ingest", json.loads(numbers.read_text(encoding="utf-8")), page)
    text = page.read_text(encoding="utf-8")
    assert "| `ratio` | 0.6 | 0.5 to 0.7 |" in text
    assert "| `threads` | 4 |  |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    with pytest.raises(ValueError, match="bench:bus"):
        into_page("bus", {}, page)
