"""The words of Salus as types: the three resources (pydantic, they make the CRDs) and the values between stages.

Nothing here reads a clock, a file or a socket.
"""
