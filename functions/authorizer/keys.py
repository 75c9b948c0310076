"""The issuer's public keys: fetched, kept for a while, fetched again for a key that is not known yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from functions.authorizer.signatures import PublicKey, public_key

LOG: Final = logging.getLogger(__name__)
KEEP: Final = 300.0
"""Seconds for which fetched keys are not asked for again."""
PAUSE: Final = 30.0
"""Seconds between two fetches at least: tokens with invented keys must not become requests to the source."""
SETS: Final = "keys"

Fetch = Callable[[], Iterable[Mapping[str, Any]]]
"""Gives the key sets as the source publishes them; raises SourceError when it does not answer."""


class SourceError(Exception):
    """The source of the keys does not answer, or not with keys."""


class Keys:
    """Keys by their id. While the source does not answer, what was fetched last holds on."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._known: dict[str, PublicKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None

    def get(self, kid: str) -> PublicKey | None:
        """The key of this id. None: the issuer has none. Raises SourceError while nothing was ever fetched."""
        if self._older(self._fetched, KEEP) or kid not in self._known:
            self._refresh()
        return self._known.get(kid)

    def _refresh(self) -> None:
        if not self._older(self._tried, PAUSE):
            if self._fetched is None:
                raise SourceError("the keys could not be fetched a moment ago")
            return
        self._tried = self._clock()
        try:
            self._known = _indexed(self._fetch())
        except SourceError:
            if self._fetched is None:
                raise
            LOG.warning("the source of the keys does not answer; the keys fetched last hold on", exc_info=True)
            return
        self._fetched = self._tried

    def _older(self, moment: float | None, age: float) -> bool:
        return moment is None or self._clock() - moment >= age


def _indexed(sets: Iterable[Mapping[str, Any]]) -> dict[str, PublicKey]:
    """By id; of two keys with one id, that of the earlier set. What is broken is left out and logged."""
    found: dict[str, PublicKey] = {}
    for one in sets:
        entries = one.get(SETS)
        if not isinstance(entries, list):
            raise SourceError("the source's answer is no set of keys")
        for entry in entries:
            try:
                key = public_key(entry)
            except (ValueError, AttributeError):
                LOG.warning("a key of the issuer is left out", exc_info=True)
                continue
            if key and isinstance(entry.get("kid"), str):
                found.setdefault(entry["kid"], key)
    if not found:
        raise SourceError("the source has no key that could be used")
    return found
