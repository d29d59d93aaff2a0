"""The README's figures, from real authors; each module prints a table and the machine it was made on."""
