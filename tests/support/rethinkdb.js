// Asks a RethinkDB server with its own JavaScript driver and prints the answer as JSON, keys in alphabetical order.
// usage: NODE_PATH=... node rethinkdb.js PORT DATABASE EXPRESSION   (of `db` and `r`)
const r = require('rethinkdb');

const sorted = (key, value) =>
    value && value.constructor === Object ? Object.fromEntries(Object.entries(value).sort()) : value;

async function main() {
    const [port, database, text] = process.argv.slice(2);
    const connection = await r.connect({host: '127.0.0.1', port: Number(port)});
    const query = new Function('r', 'db', `return ${text}`)(r, r.db(database));
    let answer = await query.run(connection);

    if (answer && answer.toArray)
        answer = await answer.toArray();
    console.log(JSON.stringify(answer, sorted));
    await connection.close();
}

main().catch((error) => {
    console.error(error.message);
    process.exit(1);
});
