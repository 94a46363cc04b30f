"""What parts of the AsyncAPI document are made of."""

from typing import Union

Json = dict[str, "JsonValue"]
JsonValue = Union[str, int, bool, list["JsonValue"], Json]  # noqa: UP007  (`|` does not take a forward reference)
