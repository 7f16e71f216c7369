"""Django as an application uses it, in a process of its own: `django_client.py HOST PORT USER DATABASE`.

Migrates the applications that Django brings, works with them by its object-relational mapper, and prints what it saw
as JSON, for the test beside to compare.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from typing import Any

import django
from django.conf import settings

host, port, user, database = sys.argv[1:]
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": host,
            "PORT": port,
            "USER": user,
            "NAME": database,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.admin",
        "django.contrib.messages",
        "django.contrib.sites",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
    SECRET_KEY="secret",
    SITE_ID=1,
)
django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, OperationalError, connection, models, transaction  # noqa: E402

seen: dict[str, Any] = {}


def printed(command: str, *arguments: str) -> str:
    """What a management command prints."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def of_another_thread(work: Any) -> Any:
    """What a function gives in a thread, which has a connection of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except OperationalError as problem:
            found.append(problem.__cause__.sqlstate)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def _waiting(**how: bool) -> Any:
    with transaction.atomic():
        yield from (
            User.objects.select_for_update(**how).filter(username="ann").values_list("username", flat=True)
        )


call_command("migrate", verbosity=0)
seen["unapplied"] = printed("showmigrations", "--plan").count("[ ]")
seen["permissions"] = Permission.objects.count()

# --- rows ---------------------------------------------------------------------------------------------------

ann = User.objects.create_user("ann", "ann@example.org", "secret")
staff = Group.objects.create(name="staff")
ann.groups.add(staff)
User.objects.bulk_create([User(username=f"u{n}", first_name=f"N{n % 2}") for n in range(6)])
seen["again"] = [user.pk for user in User.objects.bulk_create([User(username="u1")], ignore_conflicts=True)]
seen["joined"] = list(User.objects.filter(groups__name="staff").values_list("username", flat=True))
seen["updated"] = User.objects.filter(username__iregex="^U[0-2]").update(last_name=models.F("username"))
seen["grouped"] = list(
    User.objects.values("first_name")
    .annotate(n=models.Count("id"))
    .order_by("first_name")
    .values_list()
    .values_list("first_name", "n")
)
seen["in pages"] = [user.username for user in User.objects.order_by("-username")[2:4]]
seen["subquery"] = User.objects.filter(
    models.Exists(Group.objects.filter(user=models.OuterRef("pk")))
).count()
seen["dates"] = len(User.objects.dates("date_joined", "day"))
seen["iterated"] = sum(1 for _ in User.objects.iterator(chunk_size=2))
seen["deleted"] = User.objects.filter(username="u5").delete()[0]
seen["got or made"] = [
    Group.objects.get_or_create(name="staff")[1],
    Group.objects.get_or_create(name="new")[1],
]

# --- transactions -------------------------------------------------------------------------------------------

try:
    with transaction.atomic():
        Group.objects.create(name="gone")
        User.objects.create_user("ann")
except IntegrityError as problem:
    seen["taken"] = problem.__cause__.sqlstate  # type: ignore[union-attr]
with transaction.atomic():
    Group.objects.create(name="kept")
    try:
        with transaction.atomic():
            Group.objects.create(name="gone as well")
            raise ValueError
    except ValueError:
        pass
seen["groups"] = sorted(Group.objects.values_list("name", flat=True))
with transaction.atomic():
    locked = User.objects.select_for_update(of=("self",)).get(username="ann")
    seen["locked"] = of_another_thread(lambda: list(_waiting(nowait=True)))
    seen["skipped"] = of_another_thread(lambda: list(_waiting(skip_locked=True)))
    locked.first_name = "Ann"
    locked.save()


try:
    with transaction.atomic():
        connection.cursor().execute("INSERT INTO auth_user_groups (user_id, group_id) VALUES (999, 999)")
except IntegrityError as problem:
    seen["deferred"] = problem.__cause__.sqlstate  # type: ignore[union-attr]

# --- what it reads of the catalogs --------------------------------------------------------------------------

described = printed("inspectdb")
seen["models"] = sorted(
    line[6:].partition("(")[0] for line in described.splitlines() if line.startswith("class ")
)
seen["fields"] = sorted(line.strip() for line in described.splitlines() if " = models." in line)
with connection.cursor() as cursor:
    constraints = connection.introspection.get_constraints(cursor, "auth_user_groups")
seen["constraints"] = {
    name: [each["columns"], each["unique"], each["index"]] for name, each in constraints.items()
}
call_command("flush", interactive=False, verbosity=0)
seen["flushed"] = [User.objects.count(), User.objects.create_user("first").pk]
print(json.dumps(seen, default=str))
