"""How an answer is drawn unless a person says otherwise: the same where it is served and where it is judged."""

TEMPERATURE = 0.3
NUCLEUS = 0.9  # the likeliest tokens that hold so much of the probability
LOOP = 6
"""No run of this many tokens is said twice: a small model falls into loops. A penalty on every repeated token would end the
loops too, but it also drives the model away from its passages and into words that mean nothing."""
