#!/usr/bin/env bash
# Installs the Debian packages gridwatch wants, and says which and why. Nothing else in the project calls apt.
#   scripts/debian-packages.sh venv    what `make demo` cannot do without: a python3 that can make virtual environments
#   scripts/debian-packages.sh test    and what the tests run beside us: a real broker, ffprobe, a browser
set -euo pipefail

want=()
need() { # need PACKAGE 'test that it is there' 'why'
    if ! bash -c "$2" >/dev/null 2>&1; then
        echo "debian-packages: installing $1: $3"
        want+=("$1")
    fi
}

need python3-venv '"${PYTHON:-python3}" -c "import ensurepip, venv"' 'python3 -m venv'
case "${1:-venv}" in
    venv) ;;
    test)
        # The RTSP server that is not ours; its bindings are for the system's Python, which runs it.
        need gir1.2-gst-rtsp-server-1.0 '[ -e /usr/lib/*/girepository-1.0/GstRtspServer-1.0.typelib ]' "GStreamer's RTSP server"
        need gstreamer1.0-plugins-base 'ls /usr/lib/*/gstreamer-1.0/libgstapp.so' 'its way to feed that server'
        need gstreamer1.0-plugins-good 'ls /usr/lib/*/gstreamer-1.0/libgstrtp.so' 'its RTP packets'
        need python3-gi '/usr/bin/python3 -c "import gi"' 'what drives it'
        need mosquitto 'PATH=$PATH:/usr/sbin command -v mosquitto' 'the MQTT 5 broker of production and of the tests'
        need mosquitto-clients 'command -v mosquitto_sub' 'an MQTT client that is not ours'
        need postgresql '[ -e /usr/lib/postgresql/*/bin/postgres ]' 'PostgreSQL 15, the oldest that the store is for'
        need ffmpeg 'command -v ffprobe' 'an RTSP client that is not ours'
        need iproute2 'PATH=$PATH:/usr/sbin:/sbin command -v ip' 'networks of the tests own, for multicast'
        need npm 'command -v npm' 'fetches the model anew, and the command line of AsyncAPI'
        need chromium 'command -v chromium' 'a browser to look at the first page'
        ;;
    *)
        echo "usage: $0 venv|test" >&2
        exit 2
        ;;
esac
[ "${#want[@]}" -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "debian-packages: as root, run: apt-get install ${want[*]}" >&2; exit 1; }
    root=(sudo)
fi
"${root[@]}" apt-get update -qq
# The broker's package starts a service on port 1883; ours run on ports of their own, so it is left stopped.
DEBIAN_FRONTEND=noninteractive "${root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${want[@]}" >/dev/null
