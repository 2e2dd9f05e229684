"""The work folder: what is removed from it, and when."""

import os
import time

from salus.serve.work_folder import WorkFolder


def test_a_server_removes_the_sessions_of_another_port_after_the_days_of_that_one(tmp_path):
    def unused(folder):
        (folder.sessions / "one").mkdir()
        mark = folder.sessions / "one" / "session.json"
        mark.write_text("{}")
        os.utime(mark, (time.time() - 2 * 86400,) * 2)
        return mark

    running, ended = WorkFolder(tmp_path, 8927), WorkFolder(tmp_path, 8928)
    for folder, days in ((running, 1.5), (ended, 30.0)):
        folder.remove_old(days)
    marks = [unused(folder) for folder in (running, ended)]
    ended.close()
    other = WorkFolder(tmp_path, 8929)
    other.remove_old(1.0)
    assert [mark.is_file() for mark in marks] == [True, True]
    running.close()
    other.remove_old(1.0)
    assert [mark.is_file() for mark in marks] == [False, True]
