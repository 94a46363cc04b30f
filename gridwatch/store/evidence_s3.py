"""Evidence bytes in a bucket of an S3-compatible store, through obstore."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from gridwatch.store.errors import EvidenceAltered, StoreError, StoreUnavailable
from gridwatch.store.evidence import check_hash, is_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where it is, and who we are there."""

    name: str
    endpoint: str | None
    """URL of the store; None: Amazon's."""
    region: str
    access_key: str
    secret_key: str
    prefix: str
    """Before every key, such as `evidence/`; may be empty."""


class EvidenceBucket:
    """Objects `<prefix>ab/abcd...` named by the SHA-256 of their bytes, checked when put and each time they are read.

    A put is complete or absent by S3's own rules. For one event loop. Satisfies `EvidenceBytes`.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._obstore: Any = _obstore()
        options = {} if bucket.endpoint is None else {"endpoint": bucket.endpoint}
        plain = bool(bucket.endpoint and bucket.endpoint.startswith("http://"))
        self._store = self._obstore.store.S3Store(
            bucket.name, region=bucket.region, access_key_id=bucket.access_key, secret_access_key=bucket.secret_key,
            client_options={"allow_http": plain, "timeout": timedelta(seconds=20)},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)}, **options,
        )  # fmt: skip

    async def check(self, sha256: str, data: bytes) -> None:
        """Raises EvidenceRefused when `data` does not have that hash."""
        await check_hash(sha256, data)

    async def put(self, sha256: str, data: bytes) -> None:
        """Keep `data`: it is in the store when this returns. Raises EvidenceRefused, StoreUnavailable."""
        await self.check(sha256, data)
        with self._translated("keep"):
            await self._obstore.put_async(self._store, self._key(sha256), data)

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, None when not there. Raises EvidenceAltered when they no longer have the hash."""
        if not is_hash(sha256):
            return None
        key = self._key(sha256)
        try:
            with self._translated("read"):
                result = await self._obstore.get_async(self._store, key)
                data = bytes(await result.bytes_async())
        except FileNotFoundError:
            return None
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise EvidenceAltered(f"evidence {key} of the bucket {self._bucket.name} now has the hash {found}")
        return data

    async def delete(self, sha256: str) -> None:
        """Remove the object; not there is fine. Raises StoreUnavailable."""
        try:
            with self._translated("delete"):
                await self._obstore.delete_async(self._store, self._key(sha256))
        except FileNotFoundError:
            return

    async def names(self) -> AsyncIterator[list[str]]:
        """The hashes of all objects, in chunks. Raises StoreUnavailable."""
        with self._translated("list"):
            async for chunk in self._obstore.list(self._store, prefix=self._bucket.prefix or None):
                found = [str(one["path"]).rpartition("/")[2] for one in chunk]
                yield [name for name in found if is_hash(name)]

    def _key(self, sha256: str) -> str:
        return f"{self._bucket.prefix}{sha256[:2]}/{sha256}"

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Everything of obstore but "not found": whoever is asked may answer later, and nothing was lost."""
        try:
            yield
        except FileNotFoundError:
            raise
        except self._obstore.exceptions.BaseError as error:
            text = " ".join(str(error).split())[:300]
            raise StoreUnavailable(f"cannot {what} evidence in the bucket {self._bucket.name}: {text}") from error


def _obstore() -> Any:
    try:
        module = import_module("obstore")
        import_module("obstore.store")
        import_module("obstore.exceptions")
    except ImportError as error:
        raise StoreError("services.evidence.s3 needs obstore: pip install 'gridwatch[s3]'") from error
    return module
