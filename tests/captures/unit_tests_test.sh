#!/usr/bin/env bash
# unit_tests_test.sh LOOK TEST...: runs unit tests with captures, and lets tshark read all of these.
set -euo pipefail
if ! command -v tshark >/dev/null; then
  echo "tshark is not installed: no capture was looked at"
  exit 0
fi
source "$1"
shift
out=$TEST_TMPDIR/captures
unset GTEST_OUTPUT XML_OUTPUT_FILE TEST_SHARD_INDEX TEST_TOTAL_SHARDS TEST_SHARD_STATUS_FILE
for test in "$@"; do
  mkdir -p "$out/${test##*/}"
  SOCKBED_CAPTURES=$out/${test##*/} "$test" >"$out/log" || { cat "$out/log" && exit 1; }
done
look "$out"
