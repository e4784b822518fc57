# probe.sh PHASE REPORT: try what a build must not be able to do; one line "PHASE HOW OUTCOME" for each attempt,
# in REPORT and, for stages that ship nothing, on standard error.
phase=$1
report=$2
: > "$report"

say() { printf '%s %s\n' "$phase" "$*" | tee -a "$report" >&2; }

tcp() {  # tcp HOST PORT
  if timeout 3 bash -c ": < '/dev/tcp/$1/$2'" 2> /dev/null; then say "bash-tcp-$1-$2 REACHED"; else say "bash-tcp-$1-$2 refused"; fi
}

for port in 22 53 80 443 3128 8080; do tcp 127.0.0.1 "$port"; done

for interface in $(ls /sys/class/net 2> /dev/null); do say "sys-class-net $interface"; done
while IFS=: read -r name counters; do
  if [[ $counters ]]; then say "proc-net-dev ${name// /}"; fi
done < /proc/net/dev
say "routes $(tail -n +2 /proc/net/route 2> /dev/null | wc -l)"

for path in /cache /output /workspace /lock /repo /distribution /bootstrap /hermetic_repo /run/secrets /run/podman \
    /root/.docker /root/.config/containers /var/run/docker.sock /etc/pki/entitlement; do
  if [[ -e $path || -L $path ]]; then say "path-$path visible"; else say "path-$path absent"; fi
done
if (: > /usr/demo-network-was-here) 2> /dev/null; then say 'write-usr REACHED'; else say 'write-usr refused'; fi

while IFS=$':\t ' read -r field value _; do
  case $field in Cap*|NoNewPrivs|Seccomp) say "status-$field $value" ;; Uid|Gid) say "status-$field $value" ;; esac
done < /proc/self/status

if command -v python3 > /dev/null; then python3 probe.py > "$report.python" && sed "s/^/$phase /" "$report.python" | tee -a "$report" >&2; fi
if command -v perl > /dev/null; then perl probe.pl > "$report.perl" && sed "s/^/$phase /" "$report.perl" | tee -a "$report" >&2; fi
rm -f "$report.python" "$report.perl"
