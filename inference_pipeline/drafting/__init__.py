"""A brief → an outline → a draft, each section from its evidence. Read draft.py first."""
