"""The main job on embedded defaults: virtual cameras, broker, database, every role, and a view of it all."""

from gridwatch.app.demo.command import run_demo

__all__ = ["run_demo"]
