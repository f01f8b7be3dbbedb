"""What is known about revoked certificates, kept live: lists and answers that are fetched in the background.

Nothing here is in the way of a handshake. What has been learned is read from memory; whoever may wait asks
for what has not.
"""
