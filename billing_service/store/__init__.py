"""All SQL of the service. Functions take an open connection and never commit: the use case does."""
