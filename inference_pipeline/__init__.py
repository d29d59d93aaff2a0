"""From a question to an answer in the author's voice, every claim traced to a post. Read twin.py first."""
