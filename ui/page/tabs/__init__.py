"""The page's tabs, a module each: what stands on it, and what it does when a person does something."""
