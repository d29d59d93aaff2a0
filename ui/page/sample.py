"""The sample author, who is invented, and two to compare with: they lie beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import NotFound
from ui.page.jobs import Job, Jobs

AUTHOR = "Wren Halloway"
FOLDER = Path(__file__).parents[2] / "examples"
ABSENT = "The sample author comes with the repository, in its folder “examples”; this installation is without it."
REFERENCES = {"Inês Caldeira": "reference/ines_caldeira", "Tomas Lindqvist": "reference/tomas_lindqvist"}


def here() -> bool:
    return (FOLDER / "wren_halloway").is_dir()


def take_in(jobs: Jobs) -> Job:
    """Begin to read the sample posts. Raises NotFound where they are not there, UsageError where posts are being read."""
    if not here():
        raise NotFound(ABSENT.rstrip("."), "take in posts of your own")
    people = [(AUTHOR, "wren_halloway", False), *((name, folder, True) for name, folder in REFERENCES.items())]
    parts = [
        {"sources": [str(FOLDER / folder)], "author": name, "reference": reference}
        for name, folder, reference in people
    ]
    return jobs.start("posts", f"Reading the posts of {AUTHOR}", AUTHOR, {"do": "ingest", "parts": parts})
