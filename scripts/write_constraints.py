"""Print constraints.txt: the exact versions installed here. `make lock` writes them."""

from importlib import metadata

LEFT_OUT = {"pip", "setuptools", "wheel", "ratchet", "ratchet-ml"}


def main() -> None:
    """One line for each installed package, by name."""
    print("# The versions that Ratchet is tested with; `make lock` writes this file from what is installed.")
    found = {
        distribution.name.lower().replace("_", "-"): distribution.version for distribution in metadata.distributions()
    }
    for name, version in sorted(found.items()):
        if name not in LEFT_OUT:
            print(f"{name}=={version.partition('+')[0]}")  # a local build of a version counts as the version


if __name__ == "__main__":
    main()
