"""What every room stands on: errors, names, settings, records, and how files are written."""
