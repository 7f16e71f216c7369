"""OpenFlights as a graph: airports are nodes, routes are edges, airlines are properties of the routes.

    (:Airport {id, name, city, country, iata, latitude, longitude})
        -[:ROUTE {airline, carrier, stops, distance_km}]->  (:Airport {...})

`files` reads the CSV files, `load` puts them into a database, `questions` asks.  A route is one airline's
connection, so two airports may have several.
"""
