# Installs what a machine lacks, with apt. Sourced by ./tidepool and scripts/suite.
#
#   setup build clang        # groups of scripts/packages.txt; nothing to do costs a few hundredths of a second
#
# Debian 13 and Ubuntu 24.04 have it all. Debian 12 gets the packages that we name, and what they lean on, from trixie: the
# suite is added at a priority below the machine's own (so nothing else is ever taken from it). TIDEPOOL_SETUP=off only says
# what is missing.
trixie_sources=/etc/apt/sources.list.d/tidepool.sources
trixie_pin=/etc/apt/preferences.d/tidepool

setup() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || { without_apt "$@"; return; }
  local groups=" $* " missing=()
  [[ $groups != *" network "* ]] || groups+="$(node_groups) "
  mapfile -t missing < <(missing_packages "$groups")
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "${TIDEPOOL_SETUP:-on}" = off ]; then
    die "set-up is switched off and these packages are missing: ${missing[*]}"
  elif [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
      say "these packages are missing, and installing them needs root or sudo: ${missing[*]}"
      die "as root, once:  $root/tidepool setup$(printf ' %s' "$@")"
    fi
    as_root=(sudo)
  fi

  make_logs
  setup_log=$logs/setup.log
  : >"$setup_log"
  say "installing what $(named "$@") and this machine lacks: ${missing[*]}"
  as_root dpkg --configure -a >>"$setup_log" 2>&1 </dev/null || true  # an earlier stop half-way
  apt_get "reading package lists" update
  local from=()
  mapfile -t from < <(trixie_option)
  if [ "${from[*]}" = add ]; then
    add_trixie
    apt_get "reading package lists of trixie" update
    from=(-t trixie)
  fi
  # trixie's liburing includes a kernel header that came with Linux 6.12 and does not say so to apt: they come together.
  [ ${#from[@]} -eq 0 ] || [[ " ${missing[*]} " == *" linux-libc-dev "* ]] || missing+=(linux-libc-dev)
  apt_get "installing" install --no-install-recommends "${from[@]}" "${missing[@]}"

  mapfile -t missing < <(missing_packages "$groups")
  [ ${#missing[@]} -eq 0 ] || die "apt offers no version that is new enough of: ${missing[*]} (oldest that will do: scripts/packages.txt)"
}

# The packages of the groups that are absent or too old, one a line.
missing_packages() {
  local -A wanted=() present=()
  local group name oldest why state version
  while read -r group name oldest why; do
    [[ $1 == *" $group "* ]] && wanted[$name]=$oldest
  done < <(grep -v '^#' "$root/scripts/packages.txt")
  while read -r state name version; do
    [[ $state == ii ]] && present[$name]=$version
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' "${!wanted[@]}" 2>/dev/null)
  for name in "${!wanted[@]}"; do
    [ -n "${present[$name]:-}" ] || { echo "$name"; continue; }
    oldest=${wanted[$name]}
    # A newer liburing asks for newer kernel headers (setup says why).
    [ "$name" != linux-libc-dev ] || [ ! -e /usr/include/liburing/compat.h ] || ! grep -q linux/blkdev.h /usr/include/liburing/compat.h || oldest=6.12
    [ "$oldest" = - ] || dpkg --compare-versions "${present[$name]}" ge "$oldest~" || echo "$name"
  done | sort
}

# Node is taken from the machine where it is there and new enough, wherever it came from; likewise its headers.
node_groups() {
  local node
  node=$(command -v node) && command -v npm >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { echo "node headers"; return; }
  [ -e "$(dirname "$(realpath "$node")")/../include/node/node.h" ] || echo headers
}

# Nothing where the machine's own suites serve us, "-t trixie" where trixie is there at a low priority, "add" where it is missing.
trixie_option() {
  local priority
  priority=$(apt-cache policy | awk '$1 ~ /^-?[0-9]+$/ {p = $1} /[ ,]n=trixie,/ && p > top {top = p} END {print top + 0}')
  if [ "$priority" -ge 500 ]; then return; fi
  if [ "$priority" -gt 0 ]; then printf '%s\n' -t trixie; return; fi
  if [ "$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")" = "debian 12" ]; then echo add; fi
}

add_trixie() {
  local uri signed_by
  read -r uri signed_by < <(bookworm_source) || true
  uri=${uri:-http://deb.debian.org/debian}
  say "Debian 12: adding trixie from $uri for these packages only ($trixie_sources, $trixie_pin at priority 100)"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\n%s' "$uri" "${signed_by:+Signed-By: $signed_by$'\n'}" |
    as_root tee "$trixie_sources" >/dev/null
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' | as_root tee "$trixie_pin" >/dev/null
}

# "URI keyring" of the machine's own bookworm, from either format of apt's sources.
bookworm_source() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keyring" ] || keyring=
  {
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v RS= '{
      uri = ""; key = ""; suites = ""
      n = split($0, line, "\n")
      for (i = 1; i <= n; ++i) {
        split(line[i], word, /[ \t]+/)
        if (line[i] ~ /^URIs:/) uri = word[2]
        if (line[i] ~ /^Suites:/) suites = line[i] " "
        if (line[i] ~ /^Signed-By:[ \t]*\//) key = word[2]
      }
      if (suites ~ /[ \t]bookworm[ \t]/ && $0 !~ /(^|\n)Enabled:[ \t]*no/) print uri, key
    }' || true
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '$1 == "deb" {
      key = ""
      if (match($0, /signed-by=[^] ,]*/)) key = substr($0, RSTART + 10, RLENGTH - 10)
      sub(/\[[^]]*\]/, "")
      if ($3 == "bookworm") print $2, key
    }' || true
  } | awk -v keyring="$keyring" 'NR == 1 {print $1, ($2 == "" ? keyring : $2)}'
}

# sudo drops the environment; apt needs the proxy from it.
as_root() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${no_proxy:+no_proxy="$no_proxy"} "$@"
}

# apt_get WHAT ARGUMENTS…: quiet but for the progress; a failure shows the end of the log and says what state apt is in.
apt_get() {
  local what=$1
  shift
  trap 'echo >&2; die "interrupted while $what; run the same command again to finish (log: $setup_log)" 130' INT TERM
  # apt makes its status descriptor non-blocking, which must not be the one that maintainer scripts print to.
  if ! as_root sh -c 'exec apt-get "$@" 3>&2 2>&1' sh -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 \
      -o Dpkg::Options::=--force-confold "$@" 2>&1 >>"$setup_log" </dev/null | show_progress "$what" >>"$setup_log"; then
    tail -n 15 "$setup_log" >&2
    local state
    state=$(dpkg --audit 2>/dev/null | head -n 5)
    [ -z "$state" ] || printf 'Half installed:\n%s\n' "$state" >&2
    die "apt-get $1 failed (whole log: $setup_log). Nothing of Tidepool was changed; run the same command again once the cause is gone"
  fi
  trap - INT TERM
}

# Shows apt's status lines and hands on what else comes: a counter in a terminal, a line every quarter elsewhere.
show_progress() {
  local line kind percent shown=-1 step=25 end='\n'
  ! [ -t 2 ] || { step=1; end=''; }
  while IFS= read -r line; do
    case $line in
      dlstatus:* | pmstatus:*)
        kind=${line%%:*}
        percent=${line#*:*:}
        percent=${percent%%[.:]*}
        [ "$kind" = dlstatus ] && percent=$((percent / 3)) || percent=$((33 + percent * 2 / 3))
        if [ $((percent / step)) -gt "$shown" ]; then
          shown=$((percent / step))
          [ -n "$end" ] && printf 'tidepool: %s %d%%\n' "$1" "$percent" >&2 || printf '\rtidepool: %s %d%% ' "$1" "$percent" >&2
        fi ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
  [ -n "$end" ] || [ "$shown" -lt 0 ] || printf '\r\033[K' >&2
}

named() {
  local group names=()
  for group; do
    case $group in
      build) names+=("building needs") ;;
      clang) names+=("the second compiler and linters need") ;;
      network) names+=("the real-network suite needs") ;;
    esac
  done
  local IFS=,
  echo "${names[*]}" | sed 's/,/, /g'
}

without_apt() {
  local name
  for name in g++-14 cmake ninja ccache pkg-config; do
    command -v $name >/dev/null ||
      die "$name is missing, and this system has no apt to install it with. Needed: $(awk '$1 == "build" {printf "%s ", $2}' "$root/scripts/packages.txt")(Debian's names; docs/dependencies.md)"
  done
}
