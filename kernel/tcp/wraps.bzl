"""Tests that run twice: as they are, and over the wrap of TCP's sequence numbers."""

# How the name of a test ends, and the environment that goes with it. What moves data by TCP runs a
# second time from an initial number that wraps with the first full segment: the worlds of unit
# tests (SegmentTest, StreamTest, TestSimulation) give it to their hosts.
WRAPS = [
    ("test", {}),
    ("wrap_test", {"SOCKBED_ISS": "4294966272"}),
]
