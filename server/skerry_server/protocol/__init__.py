"""PostgreSQL's protocol, version 3.0, as a server speaks it: bytes in, bytes out, and no I/O anywhere.

codes      message types, the table of states, limits
frames     the incoming byte stream, cut into messages
frontend   bodies of the client's messages -> Python values
messages   the server's messages -> bytes
rows       result rows -> DataRow messages, in bulk
shapes     RowDescription and encoder of a result, kept for the next time
startup    everything before authentication is done
host       what the conversation needs of the server around it
backend    the conversation: takes messages, steps the session, collects output
"""
