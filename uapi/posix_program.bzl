"""Programs that were written for real sockets, built to run as simulated processes."""

def posix_program(name, srcs, linkopts = [], **kwargs):
    """A shared object NAME.so with the program's main: see posix_program.h.

    Args:
      name: the program's name; the target is NAME.so.
      srcs: its sources, as they are.
      linkopts: what it is linked with beside the C library.
      **kwargs: as cc_binary has them.
    """
    native.cc_binary(
        name = name + ".so",
        srcs = srcs,
        # Its own names are its own, whatever else the executable exports.
        linkopts = ["-Wl,-Bsymbolic"] + linkopts,
        linkshared = True,
        **kwargs
    )
