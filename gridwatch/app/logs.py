"""How the program logs: one line an event, readable on a terminal, JSON everywhere else."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logs(*, verbose: bool = False, file: TextIO | None = None) -> None:
    """Send structlog to `file`, or to standard error. For a process's main."""
    output = file or sys.stderr
    terminal = output.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(output),
    )
    logging.basicConfig(level=logging.WARNING, stream=output, format="%(name)s %(levelname)s %(message)s", force=True)
