"""python -m bookshop [URL]: a day in the shop, in memory unless a URL says where."""

from __future__ import annotations

import sys

from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from bookshop.models import Base
from bookshop.shop import deliver, recommend, sell, shelf, takings, transact


def main(url: str = "skerry+embedded://") -> None:
    """Open the shop."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    transact(engine, deliver)
    for title, name in (
        ("The Odyssey", "Ann"),
        ("Moby-Dick", "Ann"),
        ("The Odyssey", "Bob"),
        ("Persuasion", "Bob"),
        ("Persuasion", "Cem"),
    ):
        try:
            transact(engine, lambda session, title=title, name=name: sell(session, title, name).id)  # type: ignore[misc]
            print(f"{name} buys {title}")
        except IntegrityError:
            print(f"{name} comes too late for {title}")
    for name, total in takings(engine):
        print(f"{name} has paid {total}")
    print("about the sea:", ", ".join(shelf(engine, "sea")))
    print("Ann might like:", ", ".join(recommend(engine, "Ann")))
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:2])
