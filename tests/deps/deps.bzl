"""The arrows between rooms, as tests."""

def arrows(sees):
    """For each room, a test that its library depends directly on nothing but what is listed.

    Args:
      sees: for each room (a package; its library bears the folder's name), the rooms and
        @repositories that it may use. Widening a list is a commit of its own, with the reason.
    """
    for room, allowed in sees.items():
        name = room.replace("/", "_")
        library = "//" + room
        own = "filter('^" + library + ":', deps(" + library + "))"
        foreign = "filter('^(//|@(?!bazel_tools|local_config|platforms))', deps(" + own + ", 1))"
        native.genquery(
            name = name + "_deps",
            expression = "kind('rule', " + foreign + ") except " + own,
            scope = [library],
        )
        native.sh_test(
            name = name + "_test",
            size = "small",
            srcs = ["deps_test.sh"],
            args = [room, "$(location :" + name + "_deps)"] + allowed,
            data = [":" + name + "_deps"],
        )
