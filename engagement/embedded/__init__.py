"""The service's own PostgreSQL 18 and Valkey 9, for those who configured none.

`servers(data)` runs them as child processes, on unix sockets only, from the programs in two wheels. The first process
on a DIR owns its servers and stops them when it leaves; any other joins through the sockets and never stops them, so
when the owner goes, they go. One that dies while its owner lives is started again, and who joins meanwhile waits for
it. An owner killed by -9 takes them along (the kernel signals them), and the next start first ends what is left.

In DIR: `servers.lock`, held by the owner for its life, saying where the sockets are; `servers/`, private to the
servers' user, with the data and the logs; or instead `elsewhere`, naming the folder in the system's temporary directory
that holds these.
"""

from engagement.embedded.places import CannotStart
from engagement.embedded.supervisor import Endpoints, servers

__all__ = ["CannotStart", "Endpoints", "servers"]
