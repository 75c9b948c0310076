"""myHealth's tables: for one person, and for several, whose rows say whose they are."""

from __future__ import annotations

from typing import Final

_TIMES: Final = """\
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"""
_SLEEP: Final = """\
  score INT,
  duration_seconds INT,
  efficiency DECIMAL,
  latency_minutes INT,
  deep_sleep_seconds INT,
  light_sleep_seconds INT,
  rem_sleep_seconds INT,
"""
_ACTIVITY: Final = """\
  score INT,
  steps INT,
  calories INT,
  active_minutes INT,
"""
_READINESS: Final = """\
  score INT,
  hrv DECIMAL,
  resting_hr INT,
  temperature_deviation DECIMAL,
"""
_ALONE: Final = "  id BIGSERIAL PRIMARY KEY,\n  date DATE NOT NULL UNIQUE,\n"
_OWNED: Final = (
    "  id BIGSERIAL PRIMARY KEY,\n  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,\n"
    "  date DATE NOT NULL,\n"
)
_ONCE: Final = ",\n  UNIQUE (user_id, date)"
_USERS: Final = """\
CREATE TABLE IF NOT EXISTS users (
  id BIGSERIAL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  oura_user_id TEXT NOT NULL UNIQUE,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS raw_data (
  id BIGSERIAL PRIMARY KEY,
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  data_type TEXT NOT NULL,
  payload JSONB NOT NULL,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
"""


def _table(name: str, head: str, columns: str, tail: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} (\n{head}{columns}{_TIMES}{tail}\n);\n"


ONE_PERSON: Final = {
    "001_initial_schema.sql": _table("readiness_metrics", _ALONE, _READINESS, ""),
    "002_add_sleep_metrics.sql": _table("sleep_metrics", _ALONE, _SLEEP, ""),
    "003_add_activity_metrics.sql": _table("activity_metrics", _ALONE, _ACTIVITY, ""),
}
SEVERAL_PEOPLE: Final = {
    "001_initial_schema.sql": _USERS + _table("readiness_metrics", _OWNED, _READINESS, _ONCE),
    "002_add_sleep_metrics.sql": _table("sleep_metrics", _OWNED, _SLEEP + "  movement DECIMAL,\n", _ONCE),
    "003_add_activity_metrics.sql": _table(
        "activity_metrics", _OWNED, _ACTIVITY + "  trainings INT,\n  recovery_minutes INT,\n", _ONCE
    ),
}
