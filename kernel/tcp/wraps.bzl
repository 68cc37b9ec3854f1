"""Tests that run twice: as they are, and over the wrap of TCP's sequence numbers."""

# How the name of a test ends, and the environment that goes with it. What moves data by TCP runs a
# second time from another initial number: the worlds of tests give it to their hosts
# (tests/captures/test_sysctls.h).

# It wraps with the first full segment.
WRAPS = [
    ("test", {}),
    ("wrap_test", {"SOCKBED_ISS": "4294966272"}),
]

# For tests whose connections move little: the first byte, or the FIN, has the last number.
WRAPS_AT_ONCE = [
    ("test", {}),
    ("wrap_test", {"SOCKBED_ISS": "4294967294"}),
]
