"""PostgreSQL's protocol, version 3.0, as a server speaks it: bytes in, bytes out, and no I/O anywhere.

codes      message types, the table of states, limits
frames     the incoming byte stream, cut into messages
frontend   bodies of the client's messages -> Python values
messages   the server's messages -> bytes
rows       result rows -> DataRow messages, in bulk
startup    everything before authentication is done
backend    the conversation: takes messages, steps the session, collects output
"""
