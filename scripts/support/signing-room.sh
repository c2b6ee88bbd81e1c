# What the scripts that make images share: a throwaway registry, tiny images, keys, and the way out into an OCI image
# layout. To be sourced. Everything lives in one temporary directory, $room, which goes away with the script, and so do the
# private keys. Programs: cosign 2 ($COSIGN2), cosign 3 ($COSIGN3, only where it is used), crane ($CRANE), docker-registry,
# openssl, jq, GNU tar.
# shellcheck shell=bash

: "${COSIGN2:=cosign}" "${COSIGN3:=cosign3}" "${CRANE:=crane}"

# Keys made here are thrown away within the minute: an empty password, and no question about it.
export COSIGN_PASSWORD=""

# open_room PROGRAM...: checks that the programs are there, then opens the room: the temporary directory and a registry on a
# free loopback port ($registry).
open_room() {
  local program
  for program in "$CRANE" docker-registry openssl jq "$@"; do
    command -v "$program" >/dev/null || { echo "$0 needs the program $program" >&2; exit 1; }
  done
  room=$(mktemp -d)
  registry_pid=""
  trap close_room EXIT
  local port
  for port in $(shuf -i 20000-29999 -n 20); do
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/registry}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:%s"}\nlog: {level: error}\n' \
      "$room" "$port" >"$room/registry.yml"
    docker-registry serve "$room/registry.yml" >"$room/registry.log" 2>&1 &
    registry_pid=$!
    for _ in $(seq 50); do
      sleep 0.1
      kill -0 "$registry_pid" 2>/dev/null || continue 2
      if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        registry=127.0.0.1:$port
        return
      fi
    done
    kill "$registry_pid"
  done
  echo "no registry could be started; its last words:" >&2
  cat "$room/registry.log" >&2
  exit 1
}

close_room() {
  [ -z "$registry_pid" ] || kill "$registry_pid" 2>/dev/null || true
  [ -z "$registry_pid" ] || wait "$registry_pid" 2>/dev/null || true
  rm -rf "$room"
}

# make_image NAME TEXT [ARCHITECTURE]: pushes an OCI image with one layer that holds /message with TEXT. The same TEXT always
# gives the same digest: nothing of the clock, the user or the machine goes into it.
make_image() {
  local name=$1 text=$2 architecture=${3:-amd64} tree=$room/tree
  rm -rf "$tree" && mkdir -p "$tree"
  printf '%s\n' "$text" >"$tree/message"
  chmod 0644 "$tree/message"
  tar --create --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --file "$room/layer.tar" --directory "$tree" message
  "$CRANE" append --insecure --oci-empty-base --new_layer "$room/layer.tar" --new_tag "$registry/$name" >/dev/null 2>&1
  "$CRANE" mutate --insecure --set-platform "linux/$architecture" --cmd /message --tag "$registry/$name" "$registry/$name" >/dev/null 2>&1
}

# make_index REPOSITORY TEXT: pushes REPOSITORY:latest as an index of an amd64 and an arm64 image (tags amd64 and arm64).
make_index() {
  make_image "$1:amd64" "$2, amd64" amd64
  make_image "$1:arm64" "$2, arm64" arm64
  "$CRANE" index append --insecure --manifest "$registry/$1:amd64" --manifest "$registry/$1:arm64" --tag "$registry/$1:latest" >/dev/null 2>&1
}

# digest_of NAME
digest_of() {
  "$CRANE" digest --insecure "$registry/$1"
}

# key_pair NAME: a P-256 pair as cosign makes it, $room/NAME.key and $room/NAME.pub
key_pair() {
  (cd "$room" && "$COSIGN2" generate-key-pair --output-key-prefix "$1" 2>/dev/null)
}

# import_key_pair NAME OPENSSL-GENPKEY-ARGUMENTS...: a pair of another kind, made by openssl and taken over by cosign
import_key_pair() {
  local name=$1
  shift
  openssl genpkey "$@" -out "$room/$name.pem" 2>/dev/null
  (cd "$room" && "$COSIGN2" import-key-pair --key "$name.pem" --output-key-prefix "$name" >/dev/null 2>&1)
}

# sign NAME KEY [COSIGN-ARGUMENTS...]: a signature in the .sig tag. NAME is host/repository:tag. The claim carries host/repository
# and not the address of the throwaway registry, unless another --sign-container-identity comes last.
sign() {
  local name=$1 key=$2
  shift 2
  "$COSIGN2" sign --key "$room/$key.key" --tlog-upload=false --allow-insecure-registry --yes \
    --sign-container-identity "${name%:*}" "$@" "$registry/${name%:*}@$(digest_of "$name")" >/dev/null 2>"$room/cosign.log" ||
    { cat "$room/cosign.log" >&2; return 1; }
}

# sign_bundle NAME KEY: a sigstore bundle as a referrer, cosign 3's own way. Without the two flags it would ask the public
# services for the log's address.
sign_bundle() {
  local name=$1 key=$2
  "$COSIGN3" sign --key "$room/$key.key" --use-signing-config=false --tlog-upload=false --new-bundle-format \
    --allow-insecure-registry --yes "$registry/${name%:*}@$(digest_of "$name")" >/dev/null 2>"$room/cosign.log" ||
    { cat "$room/cosign.log" >&2; return 1; }
}

# signature_tag DIGEST: where cosign 2 puts the signatures of a digest
signature_tag() {
  printf '%s.sig' "${1/:/-}"
}

# copy_image FROM TO: the manifest and what it lists, as it is
copy_image() {
  "$CRANE" copy --insecure "$registry/$1" "$registry/$2" >/dev/null 2>&1
}

# export_layout REPOSITORY DIRECTORY: the whole repository as an OCI image layout. Tags become entries of index.json by their
# name; the index under a referrers tag (sha256-…, without a suffix) becomes entries without a name, as a registry with the
# referrers API would keep them.
export_layout() {
  local repository=$1 directory=$2 tag entries=$room/entries.jsonl
  rm -rf "$directory" && mkdir -p "$directory/blobs/sha256"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$directory/oci-layout"
  : >"$entries"
  while read -r tag; do
    if [[ $tag =~ ^sha256-[0-9a-f]{64}$ ]]; then
      "$CRANE" manifest --insecure "$registry/$repository:$tag" | jq -c '.manifests[]' >"$room/referrers.jsonl"
      cat "$room/referrers.jsonl" >>"$entries"
      jq -r .digest "$room/referrers.jsonl" | while read -r digest; do export_manifest "$repository" "$digest" "$directory"; done
    else
      export_tag "$repository" "$tag" "$directory" >>"$entries"
    fi
  done < <("$CRANE" ls --insecure "$registry/$repository" | LC_ALL=C sort)
  jq -s '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' "$entries" >"$directory/index.json"
  (cd "$directory/blobs/sha256" && for blob in *; do printf '%s  %s\n' "$blob" "$blob"; done | sha256sum --check --quiet)
}

export_tag() {
  local repository=$1 tag=$2 directory=$3 digest file
  digest=$(digest_of "$repository:$tag")
  export_manifest "$repository" "$digest" "$directory"
  file=$directory/blobs/sha256/${digest#sha256:}
  jq -c --arg digest "$digest" --arg tag "$tag" --argjson size "$(stat --format=%s "$file")" \
    '{mediaType, digest: $digest, size: $size, annotations: {"org.opencontainers.image.ref.name": $tag}}' "$file"
}

export_manifest() {
  local repository=$1 digest=$2 directory=$3 child
  local file=$directory/blobs/sha256/${digest#sha256:}
  "$CRANE" manifest --insecure "$registry/$repository@$digest" >"$file"
  for child in $(jq -r '.manifests[]?.digest' "$file"); do export_manifest "$repository" "$child" "$directory"; done
  for child in $(jq -r '(.config // empty, .layers[]?).digest' "$file"); do
    "$CRANE" blob --insecure "$registry/$repository@$child" >"$directory/blobs/sha256/${child#sha256:}"
  done
}
