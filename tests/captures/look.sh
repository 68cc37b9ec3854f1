# look FOLDER: lets tshark read every capture below FOLDER, and fails if it finds a packet malformed
# or a checksum wrong.
look() {
  local folder=$1 files found wrong='_ws.malformed' protocol
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
  echo "${#files[@]} captures, $(tshark -n -r "$folder/all" 2>/dev/null | wc -l) packets"
  # Worlds share addresses and ports, so their streams are not to be put together.
  found=$(tshark -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
    -o tcp.desegment_tcp_streams:FALSE \
    -o udp.check_checksum:TRUE -r "$folder/all" -Y "$wrong" \
    -T fields -e frame.comment -e _ws.col.Info 2>/dev/null)
  [ -z "$found" ] || { head -50 <<<"$found" && return 1; }
}
