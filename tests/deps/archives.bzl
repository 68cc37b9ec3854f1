"""The object archives of our own libraries, for tests that look into them."""

def _archives_impl(ctx):
    archives = []
    for dep in ctx.attr.deps:
        for linked in dep[CcInfo].linking_context.linker_inputs.to_list():
            package = linked.owner.package
            if linked.owner.workspace_name or package in ctx.attr.without:
                continue
            archives += [a.pic_static_library or a.static_library for a in linked.libraries]
    files = depset([a for a in archives if a])
    return [DefaultInfo(files = files, runfiles = ctx.runfiles(transitive_files = files))]

archives = rule(
    doc = "The archives of deps and of all below them; other repositories' are left out.",
    implementation = _archives_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "without": attr.string_list(doc = "packages to leave out too"),
    },
)
