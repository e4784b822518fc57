#!/bin/bash
# The floor of a resolve: the bootstrap image unpacked, then dnf5 installs the packages in its arguments: once with
# nothing in its cache, once more with all of it there.  No dependency is looked for, no package code is contained.
# Runs as root of a container that may mount; prints the seconds of each.  /distribution is mounted.
set -euo pipefail
timed() { # NAME COMMAND...: run it, print its name and seconds
    local start name=$1
    start=$(date +%s%N)
    "${@:2}" >&2
    awk -v name="$name" -v took="$(($(date +%s%N) - start))" 'BEGIN { printf "%s %.3f\n", name, took / 1e9 }'
}

boot=/work/boot
mkdir "$boot"
image=/distribution/images/dnf5
mapfile -t layers < <(python3 - "$image" << 'END'
import json, sys
def read(digest): return json.load(open(f"{sys.argv[1]}/blobs/{digest.replace(':', '/')}"))
index = json.load(open(f"{sys.argv[1]}/index.json"))
print("\n".join(layer["digest"].replace(":", "/") for layer in read(index["manifests"][0]["digest"])["layers"]))
END
)

unpack() {
    local layer
    for layer in "${layers[@]}"; do
        igzip -dc "$image/blobs/$layer" | tar --extract --directory="$boot" --exclude='./dev/*' --exclude='dev/*'
    done
}
timed unpack unpack

mkdir -p "$boot/distribution" "$boot/dev" "$boot/proc"
mount --bind /distribution "$boot/distribution"
mount --rbind /dev "$boot/dev"
mount --rbind /proc "$boot/proc"
cat > "$boot/bare.conf" << 'END'
[main]
keepcache=1
install_weak_deps=0
[demo]
name=demo
baseurl=file:///distribution/repo
gpgcheck=1
gpgkey=file:///distribution/keys/RPM-GPG-KEY-demo
END
for round in cold warm; do
    mkdir -p "$boot/$round/dev" "$boot/$round/proc"
    mount --rbind /dev "$boot/$round/dev"
    printf '%%_netsharedpath /proc:/sys:/dev\n' > "$boot/root/.rpmmacros"
    timed "$round" chroot "$boot" dnf5 --config=/bare.conf "--installroot=/$round" --releasever=1 \
        --setopt=cachedir=/cache --setopt=reposdir=/none --assumeyes install "$@"
done
