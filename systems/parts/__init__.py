"""Parts of systems that would make their files long: schemas of databases, dashboards, alerts. They are no systems."""
