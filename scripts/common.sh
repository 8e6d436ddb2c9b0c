# Shared by the scripts of the front door. Sourced, after `root` names the checkout.
logs=$root/build/logs

say() { printf 'tidepool: %s\n' "$*" >&2; }
die() { say "$1"; exit "${2:-1}"; }

# How many compilers at once: one a core, but no more than memory has room for (1.5 GiB each).
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1572864)}' /proc/meminfo)
  echo $((memory < 1 ? 1 : memory < cores ? memory : cores))
}

make_logs() {
  mkdir -p "$logs" 2>/dev/null && [ -w "$logs" ] || die "cannot write to $root/build: the checkout belongs to $(stat -c %U "$root"); run as that user or give it to $(id -un)"
}
