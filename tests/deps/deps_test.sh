#!/usr/bin/env bash
# deps_test.sh ROOM DEPS ALLOWED...: DEPS is a file of labels, one a line, that ROOM depends on.
set -euo pipefail
room=$1
deps=$2
shift 2
[[ -s $deps || $# -eq 0 ]] || { echo "$room: no dependency was found at all" && exit 1; }

status=0
while read -r label; do
  package=${label%%:*}   # //kernel/sim:sim, @xxhash//:xxhash
  package=${package#//}
  package=${package%//}
  for allowed in "$@"; do
    [[ $package == "$allowed" ]] && continue 2
  done
  echo "$room depends on $label, and may depend on: $*"
  status=1
done <"$deps"
((status == 0)) || echo "An arrow may only point down: see the picture in tests/deps/README.md."
exit "$status"
