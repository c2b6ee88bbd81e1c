#!/usr/bin/env bash
# Makes the embedded demo anew: images as OCI layouts in config/demo/images, public keys in config/demo/keys.
# The images are the same every time; the keys, and so the signatures, are new ones.
# Usage: COSIGN2=… CRANE=… scripts/make-demo.sh (programs: scripts/support/signing-room.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/support/signing-room.sh

demo=config/demo
host=example.org

open_room "$COSIGN2"
key_pair cosign
key_pair other

make_image $host/signed:latest 'hello from a signed image'
sign $host/signed:latest cosign

make_image $host/unsigned:latest 'nobody signed this'

make_image $host/wrong-key:latest 'signed, but not by a key of the policy'
sign $host/wrong-key:latest other

# The attack: the tag is moved to another image, and the old signature is hung on its digest.
make_image $host/tampered:latest 'what was signed'
sign $host/tampered:latest cosign
signed=$(digest_of $host/tampered:latest)
make_image $host/tampered:latest 'what was put in its place'
copy_image "$host/tampered:$(signature_tag "$signed")" "$host/tampered:$(signature_tag "$(digest_of $host/tampered:latest)")"

make_index $host/multiarch 'hello from a signed index'
sign $host/multiarch:latest cosign

rm -rf $demo/images
for repository in signed unsigned wrong-key tampered multiarch; do
  export_layout $host/$repository $demo/images/$host/$repository
done
mkdir -p $demo/keys
cp "$room/cosign.pub" "$room/other.pub" $demo/keys/
du -sh --apparent-size $demo
