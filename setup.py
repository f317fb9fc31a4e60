"""Extensions: the compiled core. Everything else is in pyproject.toml.

Switches, by environment: PENSTOCK_SANITIZE=1 builds with the address and
undefined-behaviour sanitizers; PENSTOCK_FRONT=0 leaves the native front out.
"""

import copy
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
SANITIZE = os.environ.get("PENSTOCK_SANITIZE") == "1"
COMPILE = ["-std=c++17", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"]
LINK = ["-Wl,--exclude-libs,ALL"] if sys.platform == "linux" else []
# The same results on every machine: no multiplication fused with an addition, whatever the processor has.
ARITHMETIC = ("-O3", "-ffp-contract=off")
if SANITIZE:
    ARITHMETIC = ("-ffp-contract=off",)
    COMPILE += ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    LINK += ["-fsanitize=address,undefined"]


def native(*folders: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return the C++ sources of folders of csrc."""
    found = [path for folder in folders for path in sorted((ROOT / "csrc" / folder).glob("*.cc"))]
    return [str(path.relative_to(ROOT)) for path in found if path.name not in without]


def extension(
    name: str,
    sources: list[str],
    libraries: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    **more: object,
) -> Extension:
    """Describe one extension: its .pyx beside the module's name, and C++ sources."""
    pyx = f"src/{name.replace('.', '/')}.pyx"
    headers = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "csrc").rglob("*.h"))]
    return Extension(
        name,
        [pyx, *sources],
        include_dirs=["csrc", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=[*COMPILE, *flags],
        extra_link_args=[*LINK, *libraries],
        depends=headers,
        language="c++",
        **more,
    )


def compiles(source: str, *flags: str) -> bool:
    """Tell whether a C++ program compiles and links."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "check.cc")
        path.write_text(source)
        command = [*compiler, "-std=c++17", str(path), "-o", str(Path(folder, "check")), *flags]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def find_archive(name: str) -> str | None:
    """Return the path of a static library that the compiler knows."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    try:
        found = subprocess.run(
            [*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return found if os.path.isabs(found) else None


def nghttp2_archive() -> str | None:
    """Return a static nghttp2 that links into a shared object, or None.

    Distributions build the archive position-independent but for one reference
    to ``stderr``; that symbol is renamed to one that csrc/front defines.
    """
    archive = find_archive("libnghttp2.a")
    if archive is None:
        return None
    copy = ROOT / "build" / "libnghttp2_pic.a"
    copy.parent.mkdir(exist_ok=True)
    renamed = ["objcopy", "--redefine-sym", "stderr=penstock_nghttp2_stderr", archive, str(copy)]
    try:
        subprocess.run(renamed, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return str(copy)


def nghttp2_options() -> list[tuple[str, str | None]]:
    """Name the protections that this nghttp2 has; older ones lack some."""
    checks = {
        "PENSTOCK_NGHTTP2_RESET_LIMIT": "nghttp2_option_set_stream_reset_rate_limit(nullptr, 1, 1)",
        "PENSTOCK_NGHTTP2_CONTINUATIONS": "nghttp2_option_set_max_continuations(nullptr, 1)",
    }
    program = "#include <nghttp2/nghttp2.h>\nint main() {{ {}; }}"
    return [(macro, None) for macro, call in checks.items() if compiles(program.format(call), "-lnghttp2")]


def extensions() -> list[Extension]:
    """Return every extension that can be built here."""
    batching = native("wire", "queue", without=("inflate.cc",))
    found = [
        extension("penstock.batching._policy", ["csrc/queue/policy.cc", "csrc/queue/cost_model.cc"]),
        extension("penstock.batching._queue", batching),
        extension("penstock.transform._columns", native("columns")),
        extension("penstock.forest._forest", native("forest"), flags=ARITHMETIC),
        extension(
            "penstock.transform._program", [*native("transform"), "csrc/columns/values.cc"], flags=ARITHMETIC
        ),
        extension(
            "penstock.monitor._accumulator",
            [
                *native("monitor"),
                "csrc/columns/values.cc",
                "csrc/transform/hash.cc",
                "csrc/transform/lookup.cc",
            ],
            flags=ARITHMETIC,
        ),
        extension(
            "penstock.monitor.log._log",
            [*native("monitor/log"), "csrc/transform/hash.cc", "csrc/wire/protobuf.cc"],
        ),
        extension("penstock.monitor.detectors._detectors", native("monitor/detectors"), flags=ARITHMETIC),
        extension("penstock.monitor.rules._rules", [*native("monitor/rules"), "csrc/columns/values.cc"]),
    ]
    if sys.platform != "linux" or os.environ.get("PENSTOCK_FRONT") == "0":
        return found
    archive = nghttp2_archive()
    if archive is None:
        print("penstock: no nghttp2: building without the native front", file=sys.stderr)
        return found
    stderr = "csrc/front/nghttp2_stderr.cc"
    load = extension("penstock.load._load", [*native("load"), stderr], (archive,), optional=True)
    found.append(load)
    if not compiles("#include <openssl/ssl.h>\n#include <zlib.h>\nint main() {}", "-lssl", "-lcrypto", "-lz"):
        print(
            "penstock: OpenSSL or zlib is not installed: building without the native front", file=sys.stderr
        )
        return found
    zlib = find_archive("libz.a") or "-lz"
    front = extension(
        "penstock.serve._front",
        [
            *native("wire", "front"),
            "csrc/queue/routes.cc",
            "csrc/queue/target.cc",
            "csrc/queue/cost_model.cc",
        ],
        (archive, zlib, "-lssl", "-lcrypto"),
        optional=True,
    )
    front.define_macros += nghttp2_options()
    found.append(front)
    return found


class Build(build_ext):
    """Compiles the protocol descriptors beside the extensions, and those on every core."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extension(self, extension: Extension) -> None:
        # Extensions share sources and are built at the same time: each has its own objects.
        alone = copy.copy(self)
        alone.build_temp = str(Path(self.build_temp, extension.name))
        super(Build, alone).build_extension(extension)

    def run(self) -> None:
        from grpc_tools import protoc

        package = ROOT / "src" if self.inplace else Path(self.build_lib)
        target = package / "penstock" / "descriptors.binpb"
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = [str(path) for path in sorted((ROOT / "protos").rglob("*.proto"))]
        arguments = ["protoc", f"-I{ROOT / 'protos'}", "--include_imports", "--include_source_info"]
        if protoc.main([*arguments, f"--descriptor_set_out={target}", *sources]) != 0:
            raise SystemExit("penstock: the protocol definitions in protos/ do not compile")
        super().run()


setup(
    ext_modules=cythonize(
        extensions(),
        language_level=3,
        nthreads=0,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "freethreading_compatible": False,
        },
        build_dir="build/cython",
    ),
    cmdclass={"build_ext": Build},
)
