"""What a disk said is shown until it works again."""

from __future__ import annotations

import errno
import os

from appliance.kernel.troubles import Troubles


def test_each_trouble_is_shown_until_that_thing_works() -> None:
    troubles = Troubles("clip files")
    assert not troubles and str(troubles) == ""
    troubles.fail("write", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    troubles.fail("delete", OSError("it hangs"))
    assert troubles and str(troubles) == "write: No space left on device; delete: it hangs"
    troubles.worked("write")
    troubles.worked("write")
    assert str(troubles) == "delete: it hangs"
    troubles.worked("delete")
    assert not troubles
