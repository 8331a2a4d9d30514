"""Sheets of a plant's laboratory, as laboratories write them: read into usage records, or refused with sheet and cell."""
