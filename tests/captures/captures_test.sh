#!/usr/bin/env bash
# captures_test.sh LOOK SOCKBED WORLDS SCENARIO... -- SCRIPT...: writes the capture of every
# scenario, script and world, and lets tshark look for what it cannot read and for checksums that
# are wrong.
set -euo pipefail
source "$1"
sockbed=$2 worlds=$3
shift 3
out=$TEST_TMPDIR/captures
mkdir -p "$out/openbsd" "$out/freebsd"
# The initial sequence number that the environment asks for: of scenarios, of scripts.
iss=(${SOCKBED_ISS:+--sysctl "net.inet.tcp.knob.iss=$SOCKBED_ISS"})
init=(${SOCKBED_ISS:+"--init_scripts=$out/iss.sh"})
echo "sysctl -w net.inet.tcp.knob.iss=${SOCKBED_ISS:-}" >"$out/iss.sh"
while [ "$1" != -- ]; do
  case $1 in *.zone) shift; continue ;; esac
  settings=("${iss[@]}")
  if grep -q '\${file}' "$1"; then settings+=(--set "file=$0"); fi
  if grep -q '\${zone}' "$1"; then settings+=(--set "zone=$(dirname "$1")/example.zone"); fi
  "$sockbed" run "$1" "${settings[@]}" --out "$out/$(basename "$1" .yaml)" >"$out/log" ||
    { cat "$out/log"; exit 1; }
  shift
done
shift
for script in "$@"; do
  profile=openbsd
  case $script in */freebsd/*) profile=freebsd ;; esac
  echo "$script" >>"$out/$profile.list"
done
for profile in openbsd freebsd; do
  mapfile -t scripts <"$out/$profile.list"
  "$sockbed" packetdrill --profile=$profile "${init[@]}" --capture="$out/$profile" \
    "${scripts[@]}" >"$out/log" ||
    { cat "$out/log"; exit 1; }
done
if [ -n "${TCP_TESTSUITE:-}" ]; then
  "$sockbed" packetdrill --profile=freebsd "${init[@]}" --capture="$out/suite" \
    "$TCP_TESTSUITE" >"$out/log" ||
    true  # which of them pass is another test's affair
fi
"$worlds" "$out"

look "$out"
