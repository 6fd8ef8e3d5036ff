#!/bin/sh
# Rooms and their order: a file may include only from its own room and those to its left; policies
# and kernels never include each other; CUDA, cuDNN and oneDNN types never leave kernels/.
#   base < traces < devices < sim < { policies, kernels } < experiments      (tests see everything)
cd "$(dirname "$0")/.." || exit 1
allowed() {
    case $1 in
    base) echo base ;;
    traces) echo base traces ;;
    devices) echo base traces devices ;;
    sim) echo base traces devices sim ;;
    policies) echo base traces devices sim policies ;;
    kernels) echo base traces devices sim kernels ;;
    experiments) echo base traces devices sim policies kernels experiments ;;
    esac
}
bad=0
for room in base traces devices sim policies kernels experiments; do
    ok=" $(allowed $room) "
    for line in $(find $room \( -name '*.c' -o -name '*.h' -o -name '*.cu' \) -exec \
                  grep -HEo '^ *# *include +"[^"]+"' {} + | sed -E 's/ *# *include *//; s/"//g'); do
        file=${line%%:*} header=${line#*:}
        target=${header%%/*}
        case $header in */*) ;; *) echo "$file: include \"$header\" from the root, as \"room/$header\""; bad=1; continue ;; esac
        case $ok in *" $target "*) ;; *) echo "$file: $room must not include $header"; bad=1 ;; esac
    done
done
if grep -rnE 'include +<(cuda|cudnn|cublas|nvml|dnnl)' base traces devices sim policies experiments; then
    echo "headers of CUDA and oneDNN belong in kernels/ only"; bad=1
fi
if grep -rnE 'include +<(cblas|openblas)' base traces devices sim policies experiments | grep -v '^base/gemm'; then
    echo "BLAS is called in kernels/ and behind base/gemm.h only"; bad=1
fi
if grep -rnE '(^|[^a-z_])(printf|puts|putchar|perror|exit|abort|getenv|clock_gettime|gettimeofday|time)\(|[^a-z_](stdout|stderr)[^a-z_]' \
        base traces devices sim policies --include='*.c' --include='*.h' | grep -vE ':[0-9]+: *(/?\*|//)|^[^:]+:[0-9]+:.*/\*.*(stdout|stderr|exit)'; then
    echo "library rooms do not print, exit, or read the environment and the clock"; bad=1
fi
[ $bad = 0 ] && echo "layers: clean"
exit $bad
