"""Make the virtual environment ready: system packages, install, compiled core; each only when it must.

``python3 scripts/prepare.py [--venv DIR] EXTRA...``, called by the Makefile. Runs on any Python 3, to say
clearly when it is too old, and needs nothing installed. A stamp beside what was made holds a digest of what
it was made from, so a second call ends at once.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
NATIVE = ("setup.py", "csrc", "protos", "src/**/*.pyx", "src/**/*.pxd")
HEADERS = ("nghttp2/nghttp2.h", "openssl/ssl.h", "zlib.h")
BROWSER = {"chromium": "chromium", "chromium-driver": "chromedriver"}
"""Debian packages that the tests of pages use where they are there, and the command of each."""


def say(text):
    """Print a line of progress at once."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def stop(text):
    """End with a message."""
    sys.exit(f"penstock: {text}")


def quietly(command, what, **more):
    """Run a command; when it fails, show what it printed and end."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=str(ROOT), **more)
    if result.returncode != 0:
        sys.stderr.write(result.stdout.decode(errors="replace"))
        stop(f"{what} failed: {shlex.join(map(str, command))}")


# System packages


def compiler():
    """Return the command of the C++ compiler."""
    return shlex.split(os.environ.get("CXX", "c++"))


def compiles(headers):
    """Tell whether a program that includes these headers compiles."""
    program = "".join(f"#include <{header}>\n" for header in headers) + "int main() {}\n"
    command = [*compiler(), "-x", "c++", "-fsyntax-only", "-"]
    try:
        return subprocess.run(command, input=program.encode(), capture_output=True).returncode == 0
    except OSError:
        return False


def has_venv():
    """Tell whether this Python can make virtual environments with pip in them."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def missing_packages():
    """Return the Debian packages that are needed and absent: those to build at all, those for the front."""
    required = {
        "g++": compiles(()),
        "python3-dev": Path(sysconfig.get_path("include"), "Python.h").is_file(),
        "python3-venv": has_venv(),
    }
    front = {
        "libnghttp2-dev": compiles(HEADERS[:1]),
        "libssl-dev": compiles(HEADERS[1:2]),
        "zlib1g-dev": compiles(HEADERS[2:]),
        "binutils": shutil.which("objcopy") is not None,
    }
    if sys.platform != "linux":
        front = {}
    return [name for name, there in required.items() if not there], [
        name for name, there in front.items() if not there
    ]


def administrator():
    """Return the prefix of a command that may install packages without asking, None where there is none."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def install_packages(names, quiet=False):
    """Install Debian packages; tell whether that worked."""
    prefix = administrator()
    if prefix is None:
        return False
    say(f"installing system packages: {' '.join(names)}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"]
    for arguments in (["update"], ["install", "--no-install-recommends", *names]):
        result = subprocess.run([*apt, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0 and not quiet:
        sys.stderr.write(result.stdout.decode(errors="replace")[-2000:])
    return result.returncode == 0


def check_system():
    """Install what is missing, or name it; end when nothing can be built without it.

    Returns what is still missing.
    """
    required, front = missing_packages()
    if not required and not front:
        return []
    if install_packages(required + front):
        return []
    command = f"sudo apt-get install {' '.join(required + front)}"
    if required:
        stop(f"these system packages are needed: {command}")
    say(f"building without the native front; for it: {command}")
    return front


def offer_browser(venv):
    """Install the browser of the tests where that is possible; tried once, without it they are skipped."""
    lacking = [package for package, command in BROWSER.items() if shutil.which(command) is None]
    tried = Stamp(venv / "browser.stamp", " ".join(lacking))
    if lacking and not tried.fresh():
        if not install_packages(lacking, quiet=True):
            say("the dashboard is not tested in a browser: chromium is not there")
        tried.write()


# Virtual environment


def interpreter(venv):
    """Return the Python of a virtual environment."""
    return venv / "bin" / "python"


def pip(python):
    """Return the start of a command that installs, with no chatter but errors."""
    return [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]


def make_venv(venv):
    """Make the virtual environment where there is none that works."""
    python = interpreter(venv)
    if (
        python.exists()
        and subprocess.run([str(python), "-m", "pip", "-V"], capture_output=True).returncode == 0
    ):
        return
    say(f"making {venv} with Python {sys.version.split()[0]}")
    shutil.rmtree(str(venv), ignore_errors=True)
    quietly([sys.executable, "-m", "venv", str(venv)], "making the virtual environment")
    # The resolver of a distribution's pip can take minutes where a recent one takes seconds.
    quietly([*pip(python), "--upgrade", "pip"], "upgrading pip")


# Stamps


def files(patterns):
    """Return the files that patterns of files and folders name, in order."""
    found = set()
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            found.update(child for child in (path.rglob("*") if path.is_dir() else [path]) if child.is_file())
    return sorted(found)


def digest(patterns, *more):
    """Return a digest of the content of files and of texts."""
    total = hashlib.sha256(repr(more).encode())
    for path in files(patterns):
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


class Stamp:
    """A file that holds the digest of what something was made from."""

    def __init__(self, path, value):
        self.path = path
        self.value = value

    def fresh(self):
        """Tell whether the thing was made from the same."""
        return self.path.is_file() and self.path.read_text() == self.value

    def write(self):
        """Record that it was made now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.value)


# Install and build


def read_project():
    """Return what pyproject.toml says of building and of dependencies."""
    import tomllib

    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {"build": data["build-system"]["requires"], **data["project"]}


def requirements(project, extras):
    """Return what to install for building, running and these extras."""
    optional = project["optional-dependencies"]
    unknown = [extra for extra in extras if extra not in optional]
    if unknown:
        stop(f"unknown extra {unknown[0]}; there are: {', '.join(optional)}")
    return [
        *project["build"],
        *project["dependencies"],
        *(name for extra in extras for name in optional[extra]),
    ]


def tools(venv):
    """Return the versions of what turns .pyx into C++; the result fits no other."""
    names = ("numpy-*.dist-info", "[Cc]ython-*.dist-info")
    return sorted(path.name for name in names for path in venv.glob(f"lib/python*/site-packages/{name}"))


def forget_generated():
    """Remove generated C++ and objects, so that all of it is made again."""
    for path in [ROOT / "build" / "cython", *(ROOT / "build").glob("temp.*")]:
        shutil.rmtree(str(path), ignore_errors=True)


def prepare(venv, extras):
    """Bring the environment up to date with the sources."""
    lacking = check_system()
    make_venv(venv)
    python = str(interpreter(venv))
    identity = (venv / "pyvenv.cfg").read_text()
    project = read_project()
    wanted = requirements(project, extras)
    packages = Stamp(venv / f"penstock-{'-'.join(extras)}.stamp", digest((), wanted, identity))
    linked = Stamp(venv / "penstock.stamp", digest((), project, identity, str(ROOT)))
    if "test" in extras:
        offer_browser(venv)
    if not packages.fresh():
        say(f"installing what penstock[{','.join(extras)}] needs")
        quietly([*pip(python), *wanted], "installing")
        packages.write()
    generator = Stamp(ROOT / "build" / "tools.stamp", digest((), identity, tools(venv)))
    built = Stamp(ROOT / "build" / "native.stamp", digest(NATIVE, generator.value, compiler(), lacking))
    if not generator.fresh():
        forget_generated()
        generator.write()
    if not linked.fresh():
        say("compiling and installing penstock")
        quietly([*pip(python), "--no-build-isolation", "--no-deps", "-e", str(ROOT)], "installing penstock")
        linked.write()
        built.write()
    if not built.fresh():
        say("compiling what changed")
        parallel = str(os.cpu_count() or 1)
        quietly([python, "setup.py", "-q", "build_ext", "--inplace", "--parallel", parallel], "compiling")
        built.write()


def main():
    """Read the command line and prepare."""
    if sys.version_info < MINIMUM:
        have = ".".join(map(str, sys.version_info[:3]))
        stop(
            f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed, this is {have} ({sys.executable}); "
            "name a newer one: make PYTHON=python3.12 ..."
        )
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("extras", nargs="*", default=["cpu"])
    arguments = parser.parse_args()
    prepare(arguments.venv.resolve(), sorted({"cpu", *arguments.extras}))


if __name__ == "__main__":
    main()
