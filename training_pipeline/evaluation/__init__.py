"""What a version proves: measured on posts that it has never seen."""
