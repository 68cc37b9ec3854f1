#!/usr/bin/env bash
# Another implementation reads what the simulation wrote: tshark, given a capture without the
# secrets inside and the key log as a file beside it, sees both Finished and the plaintext.
set -euo pipefail

sockbed=$1
scenarios=$2
iss=(${SOCKBED_ISS:+--sysctl "net.inet.tcp.knob.iss=$SOCKBED_ISS"})
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export HOME=$out  # tshark's settings: none

fail() {
  echo "$*" >&2
  exit 1
}

# Prints the columns of each packet of the capture; further arguments go to tshark.
packets() {
  tshark -r "$out/bare.pcapng" -T fields -e _ws.col.Protocol -e _ws.col.Info "$@" 2> "$out/errors"
}

# Runs a scenario: with its keys each pattern is seen, without them none.
check() {
  local scenario=$1 pattern
  shift
  mkdir "$out/$scenario"
  "$sockbed" run "$scenarios/$scenario.yaml" "${iss[@]}" --out "$out/$scenario" > "$out/screen" ||
    fail "$scenario: $(cat "$out/screen")"
  editcap --discard-all-secrets "$out/$scenario"/*.pcapng "$out/bare.pcapng"
  packets > "$out/sealed"
  packets -o "tls.keylog_file:$out/$scenario/keys.log" > "$out/open"
  for pattern; do
    ! grep -q "$pattern" "$out/sealed" || fail "$scenario: seen without keys: $pattern"
    grep -q "$pattern" "$out/open" || fail "$scenario: not seen with the key log: $pattern"
  done
}

check https_get "Certificate Verify, Finished" "GET /index.html HTTP/1.0" "HTTP/1.0 200 OK"
check tls_talk "Certificate Request, Certificate, Certificate Verify, Finished"
check dtls_talk "Client Key Exchange, Change Cipher Spec, Finished"
