"""Writes the table of rules into README.md: `.venv/bin/python .ci/update_readme.py`."""

from pathlib import Path

from linenify.report.catalogue import with_table

README = Path(__file__).parents[1] / "README.md"
README.write_text(with_table(README.read_text("utf-8")), "utf-8")
