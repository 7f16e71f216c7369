// A conversation of node's `pg` with a server; prints what it found as JSON.
// usage: node node_client.js HOST PORT USER DATABASE
const { Client, Pool, types } = require("pg");

const [host, port, user, database] = process.argv.slice(2);
const settings = { host, port: Number(port), user, database };

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { code: error.code, constraint: error.constraint, table: error.table };
  }
}

async function main() {
  const found = {};
  const client = new Client({ ...settings, application_name: "node", statement_timeout: 5000 });
  await client.connect();
  await client.query("create temp table items (id int primary key, name text, price numeric, at timestamptz, data jsonb)");
  const insert = "insert into items values ($1, $2, $3, $4, $5) returning id, at";
  const at = new Date("2024-06-01T12:00:00.000Z");
  for (let id = 1; id <= 3; id++) {
    await client.query({ name: "insert item", text: insert, values: [id, `item ${id}`, "1.50", at, { id }] });
  }
  const rows = await client.query("select * from items where id = any($1::int[]) order by id", [[1, 3]]);
  found.rows = rows.rows;
  found.fields = rows.fields.map((field) => [field.name, field.dataTypeID]);
  found.tag = [rows.command, rows.rowCount];
  found.arrays = (await client.query({ text: "select id, name from items order by id", rowMode: "array" })).rows;
  found.duplicate = await refusal(client.query("insert into items values (1)"));
  await client.query("begin");
  await client.query("delete from items");
  await client.query("rollback");
  found.count = (await client.query("select count(*)::int as n from items")).rows[0].n;
  found.several = (await client.query("select 1 as a; select 2 as b")).map((result) => result.rows[0]);
  found.binary = (await client.query({ text: "select $1::int4 + 1 as n", values: [41], binary: true })).rows[0].n;
  found.timeout = await refusal(client.query("set statement_timeout = 50; select pg_sleep(5)"));
  found.settings = (await client.query("show application_name")).rows[0].application_name;

  const heard = new Promise((resolve) => client.once("notification", resolve));
  await client.query("listen news");
  const pool = new Pool({ ...settings, max: 3 });
  await pool.query("select pg_notify('news', 'hello')");
  const message = await heard;
  found.notification = [message.channel, message.payload];
  const numbers = await Promise.all([...Array(10).keys()].map((n) => pool.query("select $1::int as n", [n])));
  found.pool = numbers.map((result) => result.rows[0].n);

  await client.query("create graph people");
  await client.query("use people insert (:Person {name: 'Ann'})-[:KNOWS]->(:Person {name: 'Bo'})");
  const graph = await client.query("use people match (a)-[k]->(b) where a.name = $1 return a, b.name as name", ["Ann"]);
  found.graph = [graph.rows[0].a.properties, graph.rows[0].name];
  await client.query("drop graph people");
  await pool.end();
  await client.end();
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
