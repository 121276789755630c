"""
Runs commands of the AWS CLI in one process, since each process of its own takes a second to begin.

The Python that the AWS CLI is installed in runs this program. It reads one command a line, a JSON list of the words
after ``aws``, and writes exit code, output and error.
"""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver

driver = create_clidriver()
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = driver.main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
