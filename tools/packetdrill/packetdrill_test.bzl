"""packetdrill scripts as Bazel tests."""

def packetdrill_test(name, srcs, profile = "openbsd", exact = False, args = [], **kwargs):
    """A test per script, and a suite of that name.

    Scripts of different folders that have one name are an error: their tests would have one, too.

    Args:
      name: of the suite; each test is called name_script.
      srcs: the scripts, labels of *.pkt files.
      profile: whose behaviour the host has, "openbsd" or "freebsd".
      exact: whether every event must come at its microsecond.
      args: further flags, as `sockbed help packetdrill` lists them.
      **kwargs: size, tags, visibility, data ... of the tests.
    """
    sockbed = Label("//tools:sockbed_main")
    tests = []
    for src in srcs:
        stem = src.split(":")[-1].split("/")[-1]
        if stem.endswith(".pkt"):
            stem = stem[:-len(".pkt")]
        test = name + "_" + stem
        if test in tests:
            fail("two scripts of %s are called %s.pkt" % (name, stem))
        native.sh_test(
            name = test,
            size = kwargs.get("size", "small"),
            srcs = [Label("//tools/packetdrill:run_script.sh")],
            args = [
                "$(rootpath %s)" % sockbed,
                "packetdrill",
                "--profile=" + profile,
            ] + (["--exact"] if exact else []) + args + ["$(rootpath " + src + ")"],
            data = [sockbed, src] + kwargs.get("data", []),
            **{key: value for key, value in kwargs.items() if key not in ["size", "data"]}
        )
        tests.append(test)
    native.test_suite(
        name = name,
        tests = tests,
        visibility = kwargs.get("visibility"),
    )
