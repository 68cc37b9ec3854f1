#!/usr/bin/env bash
# suite_test.sh SOCKBED LIST [FLAG...]: the suite that TCP_TESTSUITE names, against the list of what
# fails.
set -euo pipefail
if [ -z "${TCP_TESTSUITE:-}" ]; then
  echo "TCP_TESTSUITE names no folder of scripts: nothing was run"
  exit 0
fi
exec "$1" packetdrill --profile=freebsd --expected_failures="$2" "${@:3}" "$TCP_TESTSUITE"
