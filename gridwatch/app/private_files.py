"""Files with secrets in them."""

from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replace it whole; readable by us only from the first byte on. Raises OSError."""
    write_private_bytes(file, text.encode())


def write_private_bytes(file: Path, content: bytes) -> None:
    """As `write_private`."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_bytes(content)
    draft.replace(file)
