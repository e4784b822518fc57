#!/bin/bash
# The floor of a build: the image unpacked, rpm and rpmbuild run in it, nothing checked and nothing contained.
# Runs as root of a container that may mount; prints the seconds of each.  /repo and /input are mounted.
set -euo pipefail
timed() { # NAME COMMAND...: run it, print its name and seconds
    local start name=$1
    start=$(date +%s%N)
    "${@:2}" >&2
    awk -v name="$name" -v took="$(($(date +%s%N) - start))" 'BEGIN { printf "%s %.3f\n", name, took / 1e9 }'
}

boot=/work/boot
mkdir "$boot"
image=$(dirname /repo/localhost/*/*/manifest.json)
mapfile -t layers < <(python3 -c 'import json, sys; print("\n".join(l["digest"][7:] for l in json.load(open(sys.argv[1]))["layers"]))' "$image/manifest.json")

unpack() {
    local layer
    for layer in "${layers[@]}"; do
        igzip -dc "$image/$layer" | tar --extract --directory="$boot" --exclude='./dev/*' --exclude='dev/*'
    done
}
timed unpack unpack

mkdir -p "$boot/buildroot/dev" "$boot/buildroot/proc" "$boot/repo" "$boot/dev" "$boot/proc"
mount --bind /repo "$boot/repo"
for root in "$boot" "$boot/buildroot"; do
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
done
timed rpm chroot "$boot" sh -c \
    'exec rpm --install --root /buildroot --define "_netsharedpath /proc:/sys:/dev" --nosignature --nodigest /repo/*.rpm'

home=$boot/buildroot/builddir
mkdir -p "$home"/build/{RPMS,SPECS,SRPMS,SOURCES,BUILD,BUILDROOT}
cp /input/*.src.rpm "$home/given.src.rpm"
printf '%%_topdir /builddir/build\n' > "$home/.rpmmacros"
chown -R 1000:135 "$home"
timed rpmbuild chroot --userspec=1000:135 "$boot/buildroot" \
    env -i HOME=/builddir PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 \
    bash --login -c 'cd && rpm -U --nodeps given.src.rpm && rpmbuild -ba build/SPECS/*.spec'
