"""Ten questions, in GQL.  The tests put each to networkx, too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question, how to ask it, and with what parameters."""

    name: str
    text: str
    gql: str
    parameters: dict[str, object]


QUESTIONS = (
    Question(
        "hubs",
        "Which airports have flights to the most others?",
        """
        MATCH (a:Airport)-[:ROUTE]->(b:Airport)
        RETURN a.iata AS airport, COUNT(DISTINCT b.id) AS destinations
        GROUP BY airport
        ORDER BY destinations DESC, airport LIMIT 10
        """,
        {},
    ),
    Question(
        "one change",
        "How many airports are reached from Reykjavík with at most one change?",
        """
        MATCH (a:Airport WHERE a.iata = $origin)-[:ROUTE]->{1,2}(b:Airport)
        WHERE b.id <> a.id
        RETURN COUNT(DISTINCT b.id) AS airports
        """,
        {"origin": "KEF"},
    ),
    Question(
        "reachable",
        "How many airports can be reached at all?",
        """
        MATCH ANY SHORTEST (a:Airport WHERE a.iata = $origin)-[:ROUTE]->+(b:Airport)
        WHERE b.id <> a.id
        RETURN COUNT(*) AS airports
        """,
        {"origin": "KEF"},
    ),
    Question(
        "farthest",
        "And which of them take the most flights?",
        """
        MATCH p = ANY SHORTEST (a:Airport WHERE a.iata = $origin)-[:ROUTE]->+(b:Airport)
        WHERE b.id <> a.id
        RETURN b.name AS airport, b.country AS country, PATH_LENGTH(p) AS flights
        ORDER BY flights DESC, airport LIMIT 5
        """,
        {"origin": "KEF"},
    ),
    Question(
        "fewest flights",
        "By which airports does one fly from the Shetlands to Tasmania with the fewest flights?",
        """
        MATCH ALL SHORTEST (a:Airport WHERE a.iata = $origin)
            (()-[:ROUTE]->(stop:Airport))+ (b:Airport WHERE b.iata = $destination)
        LET stops = COLLECT_LIST(stop.iata)
        RETURN DISTINCT stops
        """,
        {"origin": "LSI", "destination": "HBA"},
    ),
    Question(
        "fewest kilometres",
        "What is the shortest way from Reykjavík to Tokyo with at most two flights, in kilometres?",
        """
        MATCH (a:Airport WHERE a.iata = $origin)-[r:ROUTE]->{1,2}(b:Airport WHERE b.iata = $destination)
        RETURN SUM(r.distance_km) AS kilometres
        ORDER BY kilometres LIMIT 1
        """,
        {"origin": "KEF", "destination": "NRT"},
    ),
    Question(
        "round trips",
        "Which airlines fly triangles from Reykjavík, and how many?",
        """
        MATCH (a:Airport WHERE a.iata = $origin)-[r:ROUTE]->(b:Airport)-[s:ROUTE]->(c:Airport)-[t:ROUTE]->(a)
        WHERE r.airline = s.airline AND s.airline = t.airline AND b.id <> a.id AND c.id <> a.id
        RETURN r.airline AS airline, COUNT(*) AS triangles
        GROUP BY airline
        ORDER BY triangles DESC, airline
        """,
        {"origin": "KEF"},
    ),
    Question(
        "no way back",
        "From how many airports is there a flight to one that has none back?",
        """
        MATCH (a:Airport)-[:ROUTE]->(b:Airport)
        WHERE NOT EXISTS { (b)-[:ROUTE]->(a) }
        RETURN COUNT(DISTINCT a.id) AS airports
        """,
        {},
    ),
    Question(
        "dead ends",
        "Which countries have the most airports with but one neighbour?",
        """
        MATCH (a:Airport)-[:ROUTE]-(b:Airport)
        WHERE a.id <> b.id
        RETURN a.id AS id, a.country AS country, COUNT(DISTINCT b.id) AS neighbours
        GROUP BY id, country
        NEXT
        FILTER neighbours = 1
        RETURN country, COUNT(*) AS airports
        GROUP BY country
        ORDER BY airports DESC, country LIMIT 5
        """,
        {},
    ),
    Question(
        "no flights",
        "How many airports have no flights at all?",
        """
        MATCH (a:Airport)
        WHERE NOT EXISTS { (a)-[:ROUTE]-() }
        RETURN COUNT(*) AS airports
        """,
        {},
    ),
)
