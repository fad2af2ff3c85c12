"""What one can do with buckets: the verbs that the doors call."""

from collections.abc import Iterator

from lepton_ai.core.errors import NotFound, Unauthenticated
from lepton_ai.infrastructure.storage.objects.port import ObjectStore, ObjectWriter
from lepton_ai.infrastructure.storage.objects.records import (
    LINK_LIFE_S,
    Bucket,
    BucketName,
    ObjectPage,
    StoredObject,
    bucket_of,
    check_key,
)
from lepton_ai.infrastructure.storage.objects.signing import Links, plain


class Buckets:
    """The buckets of all workspaces, `private` and `public`.

    Args:
        store: Where objects are kept.
        links: What signs addresses.
    """

    def __init__(self, store: ObjectStore, links: Links) -> None:
        self._store = store
        self._links = links

    def list(self, workspace_id: str, bucket: str, prefix: str, after: str, limit: int) -> ObjectPage:
        """Objects by key."""
        return self._store.list(bucket_of(workspace_id, bucket), prefix, after, limit)

    def remove(self, workspace_id: str, bucket: str, key: str) -> None:
        """Remove an object, if it is there."""
        self._store.remove(bucket_of(workspace_id, bucket), check_key(key))

    def address(self, method: str, workspace_id: str, bucket: str, key: str, server_url: str) -> str:
        """An address that needs no token, for whoever it is given to; whether the object is there is not asked.

        Args:
            method: `GET` or `PUT`.
            server_url: Where this server is reached.
        """
        where, key = bucket_of(workspace_id, bucket), check_key(key)
        of_the_store = self._store.link(method, where, key, LINK_LIFE_S)
        if of_the_store is not None:
            return of_the_store
        if method == "GET" and where.name is BucketName.PUBLIC:
            return server_url + plain(where, key)
        return server_url + self._links.sign(method, where, key, LINK_LIFE_S)

    def read_by_address(
        self, workspace_id: str, bucket: str, key: str, expires_s: int | None, signature: str | None
    ) -> tuple[StoredObject, Iterator[bytes]]:
        """What somebody without a token may read.

        Raises:
            Unauthenticated: The address is not good for it.
            NotFound: It is, and there is no such object.
        """
        where = _named(workspace_id, bucket)
        if where.name is not BucketName.PUBLIC or signature is not None:
            self._links.check("GET", where, key, expires_s, signature)
        return self._store.read(where, check_key(key))

    def write_by_address(
        self, workspace_id: str, bucket: str, key: str, expires_s: int | None, signature: str | None
    ) -> ObjectWriter:
        """What somebody without a token may write."""
        where = _named(workspace_id, bucket)
        self._links.check("PUT", where, key, expires_s, signature)
        return self._store.writer(where, check_key(key))


def _named(workspace_id: str, bucket: str) -> Bucket:
    try:
        return bucket_of(workspace_id, bucket)
    except NotFound as error:
        raise Unauthenticated("this address is not good for anything") from error
