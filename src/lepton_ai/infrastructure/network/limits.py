"""The limits that hold in front of every request, the same in both gateways."""

HEADERS_KB = 32
HEADER_COUNT = 100
HEADERS_TIMEOUT_S = 5.0
"""How long a client may take to send a request's headers."""

CLIENT_IDLE_S = 75.0
"""How long a client's connection may stay open without a request."""

CLIENT_CONNECTIONS = 4_000

UPSTREAM_IDLE_S = 1.5
"""How long a connection to a replica is kept without a request. Shorter than the servers we know keep theirs (2 s and
more), so that no request meets a connection that the replica is just closing."""

CONNECT_TIMEOUT_S = 1.0

TRIES = 5
"""How often one request may be sent where it was not received, or where repeating is allowed: a request that kills its
replica must not kill them all."""

RETRY_BACKOFF_S = (0.010, 0.100)
"""The first and the longest pause between two tries."""

RETRY_BUFFER_BYTES = 1024 * 1024
"""How much of a request body is kept to send it again; a longer one is sent once."""

API_IDLE_S = 3_600.0
"""How long a stream of the API (a log that is followed) may be silent."""

DRAIN_S = 5.0
"""How long requests in flight may go on after SIGTERM."""
