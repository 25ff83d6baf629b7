"""An exported model behind HTTP, until Ctrl-C: POST /predict {"rows": [...]}, GET /health, /openapi.json.

python src/serve.py                    champion/export, at http://127.0.0.1:8000
python src/serve.py model=<folder>     another folder that export wrote
python src/serve.py port=8001          another port; 0: any free one
python src/serve.py keep=requests      requests and answers kept in parquet, for python src/watch.py
python src/serve.py keep=requests keep_share=0.1 keep_rows=50000 redact=[income]   a tenth of rows; at most; without it
python src/serve.py host=0.0.0.0       for other machines too; there is no key, so put a proxy with one in front
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Serve an exported model until Ctrl-C."""
    from ratchet.commands.serve import main as serve

    serve(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
