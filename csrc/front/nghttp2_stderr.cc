// Stands in for `stderr` in the static nghttp2.
//
// Debian's libnghttp2.a is compiled for executables: its one reference to `stderr` is a copy relocation,
// which a shared object cannot hold. The build renames that symbol in a copy of the archive, and this defines
// the new name.
#include <cstdio>

extern "C" {
__attribute__((visibility("hidden"))) FILE* penstock_nghttp2_stderr = stderr;
}
