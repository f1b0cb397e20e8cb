#!/bin/sh
# Fetches what the guest lane needs: the packages, and from Debian's stock kernel the uncompressed image and a few modules.
# Usage: tests/stack/prepare.sh [FOLDER]   (default: target/guest); a folder that is complete is left as it is.
set -eu

out=${1:-target/guest}
modules="usb-common usbcore usbip-core vhci-hcd usbmon"

missing=""
for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio dfu-util:dfu-util xz:xz-utils strip:binutils \
    usbip:usbip tmux:tmux openocd:openocd st-info:stlink-tools; do
    # Debian puts usbip where only root's path looks.
    PATH="$PATH:/usr/sbin" command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "needed and not installed:$missing" >&2
        exit 1
    fi
    apt-get update -q
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

complete=yes
for file in vmlinux $(for module in $modules; do echo "modules/$module.ko"; done); do
    [ -s "$out/$file" ] || complete=no
done
[ "$complete" = no ] || exit 0

mkdir -p "$out/modules"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The package that is only a name for the newest kernel depends on the kernel itself.
package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
chmod 755 "$work"
(cd "$work" && apt-get download "$package")
dpkg-deb -x "$work"/*.deb "$work/kernel"

for module in $modules; do
    file=$(find "$work/kernel" -name "$module.ko" -o -name "$module.ko.xz" | head -n 1)
    case "$file" in
        *.ko.xz) xz -dc "$file" > "$out/modules/$module.ko" ;;
        *.ko) cp "$file" "$out/modules/$module.ko" ;;
        *) echo "the kernel package has no module $module" >&2; exit 1 ;;
    esac
done

# The ELF image lies xz-compressed inside the bzImage; booting it directly saves the guest from unpacking it in emulation.
image=$(find "$work/kernel/boot" -name 'vmlinuz-*' | head -n 1)
for offset in $(LC_ALL=C grep -abo "$(printf '\3757zXZ')" "$image" | cut -d: -f1); do
    # What follows the stream is not xz, which the exit code complains about.
    tail -c "+$((offset + 1))" "$image" | xz -dc --single-stream > "$out/vmlinux.part" 2>/dev/null || true
    if [ "$(head -c 4 "$out/vmlinux.part" | od -An -c | tr -d ' ')" = '177ELF' ]; then
        mv "$out/vmlinux.part" "$out/vmlinux"
        exit 0
    fi
done
echo "no ELF image found in $image" >&2
exit 1
