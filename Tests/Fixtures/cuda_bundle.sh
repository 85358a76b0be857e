#!/bin/sh
# Packs `atelier`, the tests and their libraries for a machine with a GPU and without a Swift toolchain:
#
#     make build && swift build --build-tests -Xcc -O3 && Tests/Fixtures/cuda_bundle.sh bundle.tar.xz
#
# There: unpack it beside the repository's Assets and Tests/Fixtures, set LD_LIBRARY_PATH to its lib folder and
# ATELIER_CUDA_LIBRARIES to CUDA's, then run `./atelier devices` or
# `./tests --testing-library swift-testing --filter "OpTests|CUDADevice|UNetGolden"`.
set -eu
archive=$(realpath "${1:?usage: cuda_bundle.sh ARCHIVE.tar.xz}")
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/lib"
cp .build/release/atelier "$folder/atelier"
cp .build/debug/AtelierPackageTests.xctest "$folder/tests"
# What every Linux has in its own version stays behind.
ldd "$folder/atelier" "$folder/tests" | awk '$3 ~ /^\// { print $3 }' | sort -u |
    grep -v -E '/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libz)\.so' |
    while read -r library; do cp -L "$library" "$folder/lib/"; done
strip "$folder/atelier"
strip -g "$folder/tests"
tar -C "$folder" -cf - . | xz -T0 -5 >"$archive"
ls -l "$archive"
