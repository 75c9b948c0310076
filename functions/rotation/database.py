"""The password of the user that RDS made with an instance.

RDS sets it for whoever may modify the instance: nobody has to log in, and the function needs no way to the database.
The other users of the secret keep theirs, for pods would have to be replaced at the same moment.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from typing import Any, Final

LENGTH: Final = 32
ALPHABET: Final = string.ascii_letters + string.digits
TRIES: Final = 20
PAUSE: Final = 10.0
"""Seconds between two looks at the instance: RDS needs about a minute."""


class MasterPassword:
    """One instance's, in one field of the secret."""

    def __init__(self, rds: Any, arn: str, field: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._rds, self._name, self._field, self._sleep = rds, arn.rpartition(":")[2], field, sleep

    def renewed(self, content: dict[str, str]) -> dict[str, str]:
        return {**content, self._field: "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))}

    def put(self, content: dict[str, str]) -> None:
        self._rds.modify_db_instance(
            DBInstanceIdentifier=self._name, MasterUserPassword=content[self._field], ApplyImmediately=True
        )

    def check(self, content: dict[str, str]) -> None:
        """Wait until the instance has taken it. Raises TimeoutError; Secrets Manager asks again."""
        for _ in range(TRIES):
            (found,) = self._rds.describe_db_instances(DBInstanceIdentifier=self._name)["DBInstances"]
            waiting = "MasterUserPassword" in found.get("PendingModifiedValues", {})
            if not waiting and found["DBInstanceStatus"] != "resetting-master-credentials":
                return
            self._sleep(PAUSE)
        raise TimeoutError(f"{self._name} has not taken its new password after {TRIES * PAUSE:.0f} s")
