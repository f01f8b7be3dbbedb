"""Who the users are: any checker of `twisted.cred`, or a file of our own; and how fast anybody may guess."""
