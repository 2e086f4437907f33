"""A process that holds the embedded servers of a DIR: `python holder.py DIR [fork]`.

Prints one line of JSON, its endpoints or an error, and leaves when its standard input ends. With `fork` a child that outlives
it is forked first while the servers run; its pid is printed too.
"""

import json
import os
import sys
import time
from pathlib import Path

import msgspec

from engagement.embedded import CannotStart, servers

try:
    with servers(Path(sys.argv[1])) as endpoints:
        answer = msgspec.to_builtins(endpoints)
        if "fork" in sys.argv:
            answer["forked"] = os.fork()
            if answer["forked"] == 0:
                time.sleep(60)
                os._exit(0)
        print(json.dumps(answer), flush=True)
        sys.stdin.read()
except CannotStart as error:
    print(json.dumps({"error": str(error)}), flush=True)
