#!/usr/bin/env bash
# Runs what it is given: Bazel's tests of scripts start here.
exec "$@"
