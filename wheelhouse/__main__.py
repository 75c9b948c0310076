"""`python -m wheelhouse` is the `wheelhouse` command."""

from wheelhouse.cli import main

raise SystemExit(main())
