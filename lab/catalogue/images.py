"""Sabotage of another team's rollback (examples/thumbnails): the change is another tag of an image."""

from __future__ import annotations

from lab.catalogue.entry import CODE, GO, INCONCLUSIVE, NO_GO, Entry, of_team
from lab.team import Thumbnails


def image_written_only(team: Thumbnails) -> None:
    team.tagged("1.2")
    team.one.compose("restart", "--timeout", "1", "worker")


def image_of_one_replica(team: Thumbnails) -> None:
    team.tagged("1.2")
    (first, _) = team.containers()
    team.one.run("docker", "rm", "-f", first)
    team.up("--no-recreate")


def image_put_back(team: Thumbnails) -> None:
    team.tagged("1.2")
    team.up()
    team.tagged("1.3")


def tag_moved_onto_the_change(team: Thumbnails) -> None:
    """As a gate that is content with a tag would have it."""
    team.one.run("docker", "tag", Thumbnails.NEW, Thumbnails.OLD)
    team.tagged("1.2")
    team.up()


def old_version_built_from_the_change(team: Thumbnails) -> None:
    team.one.build(Thumbnails.OLD, STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="2")
    team.tagged("1.2")
    team.up()


def old_image_gone(team: Thumbnails) -> None:
    team.tagged("1.2")
    team.up()
    team.one.run("docker", "tag", Thumbnails.OLD, "thumbnails/kept:1.2")
    team.one.run("docker", "rmi", Thumbnails.OLD)


def image_of_a_third_version(team: Thumbnails) -> None:
    team.one.build("thumbnails/worker:1.1", STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="00")
    team.tagged("1.1")
    team.up()


def image_in_another_service(team: Thumbnails) -> None:
    override = f"services: {{second: {{image: '{Thumbnails.NEW}', command: sleep 600}}}}\n"
    team.write("compose.override.yaml", override)
    team.tagged("1.2")
    team.up()


def tagged_by_hand(team: Thumbnails) -> None:
    team.tagged("1.2")
    team.up()


ENTRIES: tuple[Entry, ...] = (
    of_team(
        "thumbnails",
        "image-written-only",
        "images",
        "the old tag in .env, and the containers restarted instead of made anew",
        NO_GO,
        CODE,
        "was created with the change's image",
        image_written_only,
    ),
    of_team(
        "thumbnails",
        "image-of-one-replica",
        "images",
        "one of two replicas still runs the change's image",
        NO_GO,
        CODE,
        "was created with the change's image",
        image_of_one_replica,
    ),
    of_team(
        "thumbnails",
        "image-put-back",
        "images",
        "the change's tag written into .env again after the rollback",
        NO_GO,
        CODE,
        "its next start would be the change",
        image_put_back,
    ),
    of_team(
        "thumbnails",
        "tag-moved-onto-the-change",
        "images",
        "the old version's tag was moved onto the change's image",
        NO_GO,
        CODE,
        "carry the new code's mark",
        tag_moved_onto_the_change,
    ),
    of_team(
        "thumbnails",
        "old-version-built-from-the-change",
        "images",
        "the old version was built anew, from the change's code",
        NO_GO,
        CODE,
        "carry the new code's mark",
        old_version_built_from_the_change,
    ),
    of_team(
        "thumbnails",
        "old-image-gone",
        "images",
        "the old image's tag is gone: nothing to compare with",
        INCONCLUSIVE,
        CODE,
        "there is no image thumbnails/worker:1.2 here to compare with",
        old_image_gone,
    ),
    of_team(
        "thumbnails",
        "image-of-a-third-version",
        "images",
        "neither the old image nor the change's",
        INCONCLUSIVE,
        CODE,
        "neither the old value nor the change's",
        image_of_a_third_version,
    ),
    of_team(
        "thumbnails",
        "image-in-another-service",
        "images",
        "a service that the profile does not name runs the change's image",
        INCONCLUSIVE,
        CODE,
        "second runs with the change's image",
        image_in_another_service,
    ),
    of_team(
        "thumbnails",
        "thumbnails-by-hand",
        "healthy",
        "another team's change, rolled back by hand as it should be",
        GO,
        "",
        "",
        tagged_by_hand,
    ),
)
