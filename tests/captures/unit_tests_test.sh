#!/usr/bin/env bash
# unit_tests_test.sh LOOK TEST...: runs unit tests with captures, and lets tshark read all of these.
set -euo pipefail
source "$1"
shift
out=$TEST_TMPDIR/captures
unset GTEST_OUTPUT XML_OUTPUT_FILE TEST_SHARD_INDEX TEST_TOTAL_SHARDS TEST_SHARD_STATUS_FILE
for test in "$@"; do
  mkdir -p "$out/${test##*/}"
  SOCKBED_CAPTURES=$out/${test##*/} "$test" >"$out/log" || { cat "$out/log" && exit 1; }
done
# Worlds share addresses and ports, so their streams are not to be put together.
look "$out" -o tcp.desegment_tcp_streams:FALSE
