#!/bin/sh
# Builds the emulated libcuda.so.1, libnvrtc.so and libcublas.so into a folder: build.sh OUTDIR [--test]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUTDIR [--test]}
cxx="${CXX:-c++} -std=c++17 -Wall -Wextra -fPIC -fvisibility=hidden"
mkdir -p "$out"
out=$(cd "$out" && pwd)
$cxx -O2 -shared -Wl,-soname,libcuda.so.1 "$here/driver.cpp" "$here/driver_launch.cpp" "$here/fibers.cpp" -o "$out/libcuda.so.1" -ldl -pthread
version=$(cat "$here"/*.h "$here"/*.cpp | cksum | cut -d" " -f1)
$cxx -O1 -shared -Wl,-soname,libnvrtc.so "-DEMULATOR_SOURCES=\"$here\"" "-DEMULATOR_VERSION=$((version % 100000))" "$here/nvrtc.cpp" -o "$out/libnvrtc.so"
$cxx -O3 -Wno-psabi -shared -Wl,-soname,libcublas.so "$here/cublas.cpp" -o "$out/libcublas.so"
if [ "${2:-}" = --test ]; then
    $cxx -O1 "$here/test.cpp" -o "$out/emulator_test" -ldl
    "$out/emulator_test" "$out" "$here/test_kernels.cu"
fi
