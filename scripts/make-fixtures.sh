#!/usr/bin/env bash
# Makes test/fixtures anew with the real cosign 2 and 3: images as OCI layouts, one repository for each situation, and the
# public keys. test/fixtures/README.md says what each is. The keys, and so the signatures, are new ones every time.
# Usage: COSIGN2=… COSIGN3=… CRANE=… scripts/make-fixtures.sh (programs: scripts/support/signing-room.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/support/signing-room.sh

fixtures=test/fixtures
host=example.org
repositories=()

# image REPOSITORY [TAG]: a plain image of its own in a repository that is to be kept
image() {
  make_image "$host/$1:${2:-latest}" "fixture: $1"
  repositories+=("$host/$1")
}

open_room "$COSIGN2" "$COSIGN3"
key_pair cosign
key_pair other
import_key_pair p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
import_key_pair p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
import_key_pair rsa2048 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
import_key_pair rsa4096 -algorithm RSA -pkeyopt rsa_keygen_bits:4096
import_key_pair ed25519 -algorithm ED25519

image signed
sign $host/signed:latest cosign

image unsigned

image wrong-key
sign $host/wrong-key:latest other

for key in p384 p521 rsa2048 rsa4096 ed25519; do
  image $key
  sign $host/$key:latest $key
done

image two-keys
sign $host/two-keys:latest other
sign $host/two-keys:latest cosign

image annotated
sign $host/annotated:latest cosign -a env=prod

image tagged-claim 1.0
sign $host/tagged-claim:1.0 cosign --sign-container-identity $host/tagged-claim:1.0
"$CRANE" tag --insecure "$registry/$host/tagged-claim:1.0" 2.0 2>/dev/null

image foreign-claim
sign $host/foreign-claim:latest cosign --sign-container-identity other.example/foreign-claim

# A signature that is good in another repository, brought here with its image.
repositories+=("$host/replayed")
copy_image $host/signed:latest $host/replayed:latest
tag=$(signature_tag "$(digest_of $host/signed:latest)")
copy_image "$host/signed:$tag" "$host/replayed:$tag"

image tampered
sign $host/tampered:latest cosign
tag=$(signature_tag "$(digest_of $host/tampered:latest)")
make_image $host/tampered:latest 'fixture: tampered, another image under the same tag'
copy_image "$host/tampered:$tag" "$host/tampered:$(signature_tag "$(digest_of $host/tampered:latest)")"

image bundle
sign_bundle $host/bundle:latest cosign

image bundle-wrong-key
sign_bundle $host/bundle-wrong-key:latest other

image both-formats
sign $host/both-formats:latest cosign
sign_bundle $host/both-formats:latest cosign

repositories+=("$host/multiarch" "$host/multiarch-recursive" "$host/multiarch-unsigned")
make_index $host/multiarch 'fixture: multiarch'
sign $host/multiarch:latest cosign
make_index $host/multiarch-recursive 'fixture: multiarch-recursive'
sign $host/multiarch-recursive:latest cosign --recursive
make_index $host/multiarch-unsigned 'fixture: multiarch-unsigned'

rm -rf $fixtures/images $fixtures/keys && mkdir -p $fixtures/keys
for repository in "${repositories[@]}"; do export_layout "$repository" $fixtures/images/"$repository"; done
cp "$room"/*.pub $fixtures/keys/
du -sh --apparent-size $fixtures
