"""Routes of ``/v1``: they read the request, call, and answer. No SQL and no arithmetic here."""
