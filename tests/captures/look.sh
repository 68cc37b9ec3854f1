# To be sourced: ends the test, which passes, where there is no tshark.
if ! command -v tshark >/dev/null; then
  echo "tshark is not installed: no capture was looked at"
  exit 0
fi

# look FOLDER [OPTION...]: lets tshark, with these options, read every capture below FOLDER, and
# fails if it finds a packet malformed or a checksum wrong. (A DTLS message that is sent again in
# smaller pieces, as RFC 6347 has it when the path is narrow, it cannot put together.)
look() {
  local folder=$1 files found wrong='_ws.malformed' protocol
  shift
  mapfile -t files < <(find "$folder" -name '*.pcapng' | sort)
  # Few files at a time: mergecap holds them all open.
  printf '%s\0' "${files[@]}" |
    (part=0 && while mapfile -t -d '' -n 200 some && ((${#some[@]})); do
      mergecap -a -w "$folder/part.$((part++))" "${some[@]}"
    done)
  mergecap -a -w "$folder/all" "$folder"/part.*
  for protocol in ip tcp udp icmp icmpv6 igmp; do
    wrong+=" or $protocol.checksum.status == Bad"
  done
  echo "${#files[@]} captures, $(capinfos -TrMc "$folder/all" | cut -f 2) packets"
  found=$(tshark -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
    -o udp.check_checksum:TRUE "$@" -r "$folder/all" -Y "$wrong" \
    -T fields -e frame.comment -e _ws.col.Info 2>/dev/null |
    sed '/protocol DTLS: New fragment overlaps old data/d')
  [ -z "$found" ] || { head -50 <<<"$found" && return 1; }
}
