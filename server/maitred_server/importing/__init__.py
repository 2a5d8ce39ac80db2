"""Bulk import: files of other systems become journal records, each once, whatever is killed in between."""
