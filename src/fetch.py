"""Stage fetch: the raw files of a data set come to data/raw/<name>/, checksums verified.

python src/fetch.py                     the data set of params.yaml
python src/fetch.py data=fashion_mnist  another one of conf/data/
"""

from ratchet.terminal.command import note_without_effect, run_command


def main(arguments: list[str]) -> None:
    """Bring the raw files of the chosen data set and say what was brought."""
    import os

    from ratchet.config.composition import load_config
    from ratchet.data.fetch import fetch
    from ratchet.project import Project

    project = Project.find()
    config = load_config(project, arguments).data
    note_without_effect(arguments, script="fetch", reads="data")
    report = fetch(config, project=project)
    size = sum((report.directory / name).stat().st_size for name in (*report.kept, *report.fetched))
    count = f"{len(report.kept) + len(report.fetched)} files, {_readable(size)}, in {os.path.relpath(report.directory)}"
    kept = f"; {len(report.kept)} of them were there" if report.kept else ""
    origin = f"from {report.source}{kept}" if report.fetched else "already there"
    print(f"{config.name}: {count.replace('1 files', '1 file')}; {origin}; checksums right")


def _readable(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


if __name__ == "__main__":
    run_command(main, usage=__doc__)
