// The JavaScript driver under the same load as tests/bench/reql_load.c: the same arguments, the same
// line.
'use strict';

const r = require('rethinkdb');

const WARM_UP_MS = 300;
const [port, database, players, operation, inFlight, rows, seconds] = process.argv.slice(2);

let done = 0;

function player() {
    return 'player' + (10000000 + Math.floor(Math.random() * players));
}

function check(answer, expected) {
    if (answer.replaced + answer.inserted !== expected)
        throw new Error(`${answer.replaced + answer.inserted} rows were changed`);
}

const operations = {
    async update(conn) {
        const answer = await r.table('players').get(['b', player()]).update(
            row => ({score: row('score').add(1)}), {durability: 'hard'}).run(conn);
        check(answer, 1);
    },
    async batch(conn) {
        const documents = Array.from({length: rows}, () => {
            const id = player();
            return {key: ['b', id], board: 'b', id, name: id, score: 1, at: 1000000};
        });
        const answer = await r.table('players').insert(documents, {
            conflict: (id, before, after) =>
                before.merge({score: before('score').add(after('score')), at: after('at')}),
            durability: 'hard', returnChanges: 'always'}).run(conn);
        check(answer, Number(rows));
    },
    async top(conn) {
        const cursor = await r.table('players').between(['b', r.minval], ['b', r.maxval], {index: 'rank'})
            .orderBy({index: 'rank'}).limit(10).run(conn);
        const found = await cursor.toArray();
        if (found.length !== 10)
            throw new Error(`a top of ${found.length} rows`);
    },
};

async function worker(conn) {
    for (;;) {
        await operations[operation](conn);
        done++;
    }
}

function cpu() {
    const usage = process.resourceUsage();
    return usage.userCPUTime + usage.systemCPUTime;
}

function pause(ms) {
    return new Promise(resolve => setTimeout(resolve, ms));
}

async function main() {
    const conn = await r.connect({host: '127.0.0.1', port: Number(port), db: database});
    for (let i = 0; i < inFlight; i++)
        worker(conn).catch(fail);
    await pause(WARM_UP_MS);
    const before = done, used = cpu(), begun = process.hrtime.bigint();
    await pause(seconds * 1000);
    console.log(done - before, cpu() - used, Number((process.hrtime.bigint() - begun) / 1000n));
    process.exit(0);
}

function fail(error) {
    console.error(String(error));
    process.exit(1);
}

main().catch(fail);
