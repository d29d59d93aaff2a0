"""Reading the web: politely, safely, and no more of it than has changed."""
