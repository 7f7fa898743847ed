"""Sabotage of another team's rollback (examples/api): a setting in .env, and a file that is mounted elsewhere."""

from __future__ import annotations

from lab.catalogue.entry import CODE, GO, INCONCLUSIVE, NO_GO, PROCESSING, Entry, of_team
from lab.team import Api


def setting_written_only(team: Api) -> None:
    team.restore()
    team.one.compose("restart", "--timeout", "1")


def setting_put_back(team: Api) -> None:
    team.restore()
    team.up("--force-recreate")
    team.write(".env", "WORKER_BATCH=50\n")


def setting_overridden(team: Api) -> None:
    team.restore()
    team.write("compose.override.yaml", "services: {worker: {environment: {BATCH: '50'}}}\n")
    team.up("--force-recreate")


def setting_in_the_command(team: Api) -> None:
    """The container is created with the old value, and its command sets the change's."""
    team.restore()
    command = "env BATCH=50 python3 /srv/app/worker.py"
    team.write("compose.override.yaml", f"services: {{worker: {{command: {command}}}}}\n")
    team.up("--force-recreate")


def setting_of_the_shell(team: Api) -> None:
    team.restore()
    team.up("--force-recreate", WORKER_BATCH="50")


def setting_of_a_third_value(team: Api) -> None:
    team.restore()
    team.write(".env", "WORKER_BATCH=35\n")
    team.up("--force-recreate")


def setting_in_another_service(team: Api) -> None:
    team.restore()
    override = "services: {second: {image: '${API_IMAGE}', command: sleep 600, environment: {BATCH: '50'}}}\n"
    team.write("compose.override.yaml", override)
    team.up("--force-recreate")


def file_loaded_before(team: Api) -> None:
    team.up()
    team.restore()
    team.up("--force-recreate", "worker")


def file_of_a_third_content(team: Api) -> None:
    team.restore()
    team.write("config/settings.ini", "[answers]\nretries = 3\ntimeout = none\n")
    team.up("--force-recreate")


def answers_without_a_key(team: Api) -> None:
    """Restored in all that is restored; and what the API answers lacks a key that its clients need."""
    team.restore()
    path = team.one.directory / "app" / "api.py"
    path.write_text(path.read_text().replace("dict(settings[", "dict() and (settings["))
    team.up("--force-recreate")


def answers_inside_only(team: Api) -> None:
    """Its health check, inside, still passes."""
    team.restore()
    path = team.one.directory / "app" / "api.py"
    path.write_text(path.read_text().replace('("0.0.0.0", 8000)', '("127.0.0.1", 8000)'))
    team.up("--force-recreate")


def restored_by_hand(team: Api) -> None:
    team.restore()
    team.up("--force-recreate")


ENTRIES: tuple[Entry, ...] = (
    of_team(
        "api",
        "setting-written-only",
        "settings",
        "the old value in .env, and the container restarted instead of made anew",
        NO_GO,
        CODE,
        "was created with the change's BATCH",
        setting_written_only,
    ),
    of_team(
        "api",
        "setting-in-the-command",
        "settings",
        "the old value in .env, and a command that sets the change's",
        NO_GO,
        CODE,
        "runs a process with the change's BATCH",
        setting_in_the_command,
    ),
    of_team(
        "api",
        "setting-overridden",
        "settings",
        "an override file still sets the change's value",
        NO_GO,
        CODE,
        "was created with the change's BATCH",
        setting_overridden,
    ),
    of_team(
        "api",
        "setting-of-the-shell",
        "settings",
        "the shell that made the container still had the change's value",
        NO_GO,
        CODE,
        "was created with the change's BATCH",
        setting_of_the_shell,
    ),
    of_team(
        "api",
        "setting-put-back",
        "settings",
        "the change's value written into .env again after the rollback",
        NO_GO,
        CODE,
        "its next start would be the change",
        setting_put_back,
    ),
    of_team(
        "api",
        "setting-of-a-third-value",
        "settings",
        "neither the old value nor the change's",
        INCONCLUSIVE,
        CODE,
        "neither the old value nor the change's",
        setting_of_a_third_value,
    ),
    of_team(
        "api",
        "setting-in-another-service",
        "settings",
        "a service that the profile does not name runs with the change's value",
        INCONCLUSIVE,
        CODE,
        "second runs with the change's BATCH",
        setting_in_another_service,
    ),
    of_team(
        "api",
        "mounted-file-loaded-before",
        "settings",
        "the mounted file was restored after its service had started",
        INCONCLUSIVE,
        CODE,
        "restart it to be sure",
        file_loaded_before,
    ),
    of_team(
        "api",
        "mounted-file-of-a-third-content",
        "settings",
        "another file than the old one behind the mount",
        NO_GO,
        CODE,
        "runs from files that are not the old code",
        file_of_a_third_content,
    ),
    of_team(
        "api",
        "answers-without-a-key",
        "settings",
        "all is restored, and the API's answer lacks what its clients need",
        NO_GO,
        PROCESSING,
        "its text does not have",
        answers_without_a_key,
    ),
    of_team(
        "api",
        "answers-inside-only",
        "settings",
        "all is restored, and nobody outside the container can reach the API",
        INCONCLUSIVE,
        PROCESSING,
        "cannot be asked",
        answers_inside_only,
    ),
    of_team(
        "api",
        "api-by-hand",
        "healthy",
        "another team's change, rolled back by hand as it should be",
        GO,
        "",
        "",
        restored_by_hand,
    ),
)
