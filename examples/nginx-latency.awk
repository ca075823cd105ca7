# Turns an nginx log of clients and their round trips into measurements for truenorth, one per line.
#
# nginx.conf:
#     log_format round_trips '$remote_addr $tcpinfo_rtt';     # an address, microseconds
#     access_log /var/log/nginx/round_trips.log round_trips buffer=64k flush=10s;
#
# awk -v datacenter=fra -f nginx-latency.awk /var/log/nginx/round_trips.log |
#     curl --fail-with-body --data-binary @- http://127.0.0.1:8053/v1/latency

BEGIN {
    if (datacenter == "") {
        print "nginx-latency.awk: give the datacenter of this nginx: awk -v datacenter=NAME -f ..." > "/dev/stderr"
        exit 2
    }
}

# Clients on a UNIX socket have no address. If the kernel knows no round trip time, the field is a hyphen or 0.
$1 ~ /^[0-9a-fA-F.:]+$/ && $2 ~ /^[0-9]+$/ && $2 > 0 {
    printf "{\"client\": \"%s\", \"datacenter\": \"%s\", \"rtt_ms\": %.3f}\n", $1, datacenter, $2 / 1000
}
