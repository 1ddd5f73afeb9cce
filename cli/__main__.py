"""`python -m stream_restore.cli`."""

from .main import main

raise SystemExit(main())
