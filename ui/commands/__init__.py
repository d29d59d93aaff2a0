"""The commands of `twin`, by what they are about, and what they print."""
