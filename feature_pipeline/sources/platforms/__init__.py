"""One file a platform: what it exports, and what its public API says."""
