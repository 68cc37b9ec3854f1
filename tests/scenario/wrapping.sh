# An init script: the numbers of the host wrap with the first full segment.
sysctl -w net.inet.tcp.knob.iss=4294966272
