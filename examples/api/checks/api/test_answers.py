"""Checks of this team's own, asked in each replica of the API."""


def test_the_configuration_is_mounted(host):
    """Its configuration has the timeout of before."""
    assert host.file("/etc/api/settings.ini").contains("^timeout = 20$")


def test_it_runs_the_python_that_it_was_written_for(host):
    """Its Python is 3.11."""
    assert host.check_output("python3 --version").startswith("Python 3.11")
