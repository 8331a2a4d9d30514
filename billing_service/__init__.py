"""The thin service around ``tariffs``: a month from imported files to issued invoices. Translate, call, store."""
