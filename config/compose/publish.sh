#!/bin/sh
# The one-shot of docker-compose.yml: a key pair (once), two images, one signature. May be run again.
# REGISTRY is host:port of a plain HTTP registry; IMAGES, PRIVATE_KEYS and PUBLIC_KEYS are directories.
set -eu
: "${REGISTRY:?}" "${PRIVATE_KEYS:?}" "${PUBLIC_KEYS:?}" "${IMAGES:=/images}"

# For a demonstration: a key that signs anything of worth has a password, or lives in a key management service.
export COSIGN_PASSWORD=""

# The registry was started a moment ago.
tries=0
until crane catalog --insecure "$REGISTRY" >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -le 30 ] || { echo "no answer from $REGISTRY" >&2; exit 1; }
  sleep 1
done

[ -f "$PRIVATE_KEYS/cosign.key" ] || (cd "$PRIVATE_KEYS" && cosign generate-key-pair)
cp "$PRIVATE_KEYS/cosign.pub" "$PUBLIC_KEYS/cosign.pub"
chmod 0644 "$PUBLIC_KEYS/cosign.pub"

# Two different images (one of the embedded demo's, with and without a label), so that the signature of one isn't the other's.
crane push --insecure "$IMAGES/example.org/unsigned" "$REGISTRY/unsigned:latest"
crane mutate --insecure --label signed=yes --tag "$REGISTRY/signed:latest" "$REGISTRY/unsigned:latest"

# The registry is example.org to whoever pulls (sealgate.yaml), so that is the name to sign; and it is the digest that is
# signed, never a tag.
cosign sign --yes --key "$PRIVATE_KEYS/cosign.key" --tlog-upload=false --allow-http-registry \
  --sign-container-identity example.org/signed "$REGISTRY/signed@$(crane digest --insecure "$REGISTRY/signed:latest")"
