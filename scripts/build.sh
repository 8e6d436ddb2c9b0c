# Building by preset. Sourced by ./tidepool and scripts/suite.
#
#   build release tide-relay        # preset, then targets; no target: all of it
build() {
  local preset=$1 tree=$root/build/$1 targets=("${@:2}")
  [ ${#targets[@]} -gt 0 ] || targets=(all)
  make_logs
  configure "$preset"
  cmake --build "$tree" --parallel "$(jobs)" --target "${targets[@]}" >&2 || die "building $preset (${targets[*]}) failed"
}

# CMake looks after itself once it has run; only new presets or a checkout that was moved need a fresh start.
configure() {
  local tree=$root/build/$1 cache=$root/build/$1/CMakeCache.txt fresh=()
  if [ -e "$tree/build.ninja" ] && grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
    [ "$root/CMakePresets.json" -nt "$tree/build.ninja" ] || return 0
  elif [ -e "$cache" ]; then
    fresh=(--fresh)
  fi
  (cd "$root" && cmake --preset "$1" "${fresh[@]}") >"$logs/configure-$1.log" 2>&1 ||
    { tail -n 30 "$logs/configure-$1.log" >&2; die "configuring $1 failed (whole log: $logs/configure-$1.log)"; }
}

presets() { sed -n '/"configurePresets"/,/^  \]/s/.*{ "name": "\([a-z]*\)", "inherits".*/\1/p' "$root/CMakePresets.json"; }
