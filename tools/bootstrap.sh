#!/bin/bash
#
# Install what "make demo" and "make test" need, and with the argument "bench"
# what "make bench" compares with: the system packages of
# bindep.txt (apt) and a virtual environment in .venv below the checkout.
# With the argument "servers": the servers that the tests start and that come
# from PyPI, into an environment of their own, .venv-servers, since what they
# depend on is nothing that oslo.image should meet.
# With "ceph" and a directory: rados and rbd alone, for the environment there.
# Whatever is there already is left alone.
#
# Of the distribution's Python packages the environment sees rados and rbd, and
# nothing else: PyPI has no such modules. They are left out if the environment's
# Python is of another version than the distribution's, for which they are built.

set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export PATH=$PATH:/usr/sbin:/sbin

profile=${1:-test}
extras=test,pyfilesystem
[[ $profile == test ]] || extras+=,$profile

say() { printf '==> %s\n' "$*"; }

# Install system packages. Services stay down: the tests start their own.
apt_install() {
    local sudo='' policy=/usr/sbin/policy-rc.d
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || {
            echo "root or sudo is needed to install: $*" >&2
            exit 1
        }
        sudo=sudo
    fi
    say "installing system packages: $*"
    if [[ ! -e $policy ]]; then
        trap "$sudo rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 755 $policy
    fi
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --no-install-recommends "$@" >/dev/null
}

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    apt_install python3-venv
fi

# Make a virtual environment, unless it is there and works.
make_environment() {
    if ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making a virtual environment in $1"
        "$python" -m venv --clear "$1"
    fi
}

# Let an environment of the distribution's Python have its modules for Ceph.
link_ceph() {
    local site suffix module
    read -r site suffix < <("$1/bin/python" -c 'import sysconfig as s
print(s.get_path("platlib"), s.get_config_var("EXT_SUFFIX"))')
    for module in /usr/lib{,64}/python3*/{dist,site}-packages/{rados,rbd}"$suffix"; do
        if [[ -e $module ]]; then ln -sf "$module" "$site/"; fi
    done
}

if [[ $profile == ceph ]]; then
    link_ceph "$2"
    exit
fi

if [[ $profile == servers ]]; then
    make_environment .venv-servers
    say 'installing the servers of the tests into .venv-servers'
    .venv-servers/bin/pip install -qq -r tests/servers/requirements.txt
    link_ceph .venv-servers
    # The other side of 1.36, where boto3's checksums changed: OpenStack's upper
    # constraints still hold it there.
    if [[ ! -d .venv-servers/boto3-1.35 ]]; then
        .venv-servers/bin/pip install -qq --target .venv-servers/boto3-1.35 \
            'boto3>=1.35,<1.36'
    fi
    exit
fi

make_environment .venv

if ! .venv/bin/bindep --version >/dev/null 2>&1; then
    say 'installing bindep, which reads bindep.txt'
    .venv/bin/pip install -qq bindep
fi

# bindep prints the missing packages, and says by its exit status that some are
missing=$(.venv/bin/bindep --brief "$profile") || [[ -n $missing ]]
if [[ -n $missing ]]; then
    mapfile -t packages <<<"$missing"
    apt_install "${packages[@]}"
fi

# pbr takes the version from git; without a readable repository it needs one.
if ! git rev-parse HEAD >/dev/null 2>&1; then
    export PBR_VERSION=${PBR_VERSION:-0.0.0}
fi

say 'installing oslo.image and what its tests need into .venv'
.venv/bin/pip install -qq -e ".[$extras]"

link_ceph .venv
