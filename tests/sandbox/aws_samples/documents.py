"""What samples share: policy documents and the shape of a sample."""

from __future__ import annotations

import json
from typing import Any


def document(action: str, **more: Any) -> str:
    """An IAM policy document with one statement."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = document("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
READ = document("s3:GetObject", Resource="*")

Sample = tuple[str, str, dict[str, Any]]
