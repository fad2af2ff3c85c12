"""Addresses that need no token: what may be done, and until when, under a signature of this installation."""

import hashlib
import hmac
from urllib.parse import quote

from lepton_ai.core.clock import Clock
from lepton_ai.core.errors import Unauthenticated
from lepton_ai.core.master_key import MasterKeyFile
from lepton_ai.infrastructure.storage.objects.records import Bucket

PREFIX = "/objects"


class Links:
    """Makes such addresses, and checks them.

    Args:
        keys: Where the master key is, from which the one that signs is made. When it is changed, addresses that were
            handed out before are no longer good.
        clock: Where the time comes from.
    """

    def __init__(self, keys: MasterKeyFile, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def sign(self, method: str, bucket: Bucket, key: str, life_s: int) -> str:
        """The path and query of an address, good for one method on one object for some time."""
        expires_s = self._clock.now_ms() // 1000 + life_s
        return f"{plain(bucket, key)}?expires={expires_s}&signature={self._signature(method, bucket, key, expires_s)}"

    def check(self, method: str, bucket: Bucket, key: str, expires_s: int | None, signature: str | None) -> None:
        """Let through who has such an address.

        Raises:
            Unauthenticated: The signature is missing, of something else, or no longer good.
        """
        if expires_s is None or signature is None:
            raise Unauthenticated("this address needs a signature", hint="Ask for one: lepton bucket url KEY")
        if not hmac.compare_digest(self._signature(method, bucket, key, expires_s).encode(), signature.encode()):
            raise Unauthenticated("the signature of this address is not for this request")
        if expires_s * 1000 <= self._clock.now_ms():
            raise Unauthenticated("this address is no longer good", hint="Ask for a new one: lepton bucket url KEY")

    def _signature(self, method: str, bucket: Bucket, key: str, expires_s: int) -> str:
        said = "\0".join((method, bucket.workspace_id, bucket.name.value, key, str(expires_s)))
        return hmac.new(self._keys.derive("addresses of objects"), said.encode(), hashlib.sha256).hexdigest()


def plain(bucket: Bucket, key: str) -> str:
    """The path of an object's address, without a signature: all that a public one needs to be read."""
    return f"{PREFIX}/{bucket.workspace_id}/{bucket.name}/{quote(key)}"
