"""Documents as files: a workbook and CSV of a run, JSON of an invoice."""
