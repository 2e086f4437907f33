"""The rules: a member's points, badges, streaks, challenges and boards as a pure fold over her events.

Nothing here knows a clock, a database or randomness: time, ids and definitions are arguments. `definitions` says what a
marketer can write and turns it into rules, `fold` applies them; each kind of definition has a file of its own.
"""

import atexit
import gc

# msgspec 0.22 can free a struct's type twice when the interpreter collects classes on its way out, which ends a finished
# process with a segmentation fault (11 of 40 runs, seen in TypeNode_Free under StructMeta_clear). Frozen objects are
# not collected then.
atexit.register(gc.freeze)
