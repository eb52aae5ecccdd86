#include "lbctl.h"

#include <string.h>

#define WRITTEN "{id, name, score, reached_us, changed}"
#define PAGE "{players: [{id, name, score, position, rank}, ...]}"

const struct lbctl_command lbctl_commands[] = {
    {
        .name = "board-create",
        .operands = "[BOARD]",
        .options = LBCTL_BIT(OPT_ASCENDING),
        .summary = "Create a board, and the database if there is none",
        .about = "Without BOARD an id is generated. A board that is there already is no\n"
                 "error, unless it runs in the other direction.",
        .json = "{id, ascending, players, created_us, changed}",
        .examples = "lbctl board-create demo\n"
                    "lbctl board-create lap-times --ascending",
        .run = lbctl_board_create,
    },
    {
        .name = "board-list",
        .operands = "",
        .summary = "List the boards by id",
        .about = "All of them, without counting their players.",
        .json = "{boards: [{id, ascending, created_us}, ...]}",
        .examples = "lbctl board-list\n"
                    "lbctl board-list --json | jq -r '.boards[].id'",
        .missing = "create a board with: %l board-create BOARD",
        .run = lbctl_board_list,
    },
    {
        .name = "board-info",
        .operands = "BOARD",
        .summary = "Show a board and the number of its players",
        .about = "",
        .json = "{id, ascending, players, created_us}",
        .examples = "lbctl board-info demo",
        .missing = "create it with: %l board-create %b",
        .run = lbctl_board_info,
    },
    {
        .name = "board-get",
        .operands = "BOARD",
        .options = LBCTL_BIT(OPT_LIMIT) | LBCTL_BIT(OPT_OFFSET) | LBCTL_BIT(OPT_AFTER),
        .summary = "Show a page of a board in its order",
        .about = "The order is score, then who reached it first, then id. POSITION is\n"
                 "unique; equal scores share a RANK: 1, 2, 2, 4. On a terminal a hint\n"
                 "tells when there are more rows, with the cursor for --after. --offset\n"
                 "and --after do not go together.",
        .json = PAGE,
        .examples = "lbctl board-get demo\n"
                    "lbctl board-get demo --limit 100 --offset 100",
        .missing = "create it with: %l board-create %b",
        .run = lbctl_board_get,
    },
    {
        .name = "board-delete",
        .operands = "BOARD",
        .summary = "Delete a board and its players",
        .about = "It is gone for everybody at once. If removing its rows takes longer\n"
                 "than the timeout, do it again: it goes on where it stopped.",
        .json = "{removed: true, board}",
        .examples = "lbctl board-delete demo",
        .missing = "see the boards with: %l board-list",
        .run = lbctl_board_delete,
    },
    {
        .name = "player-put",
        .operands = "BOARD [PLAYER]",
        .options = LBCTL_BIT(OPT_NAME) | LBCTL_BIT(OPT_CREATE),
        .summary = "Create a player with score 0, or rename one",
        .about = "Without PLAYER an id is generated. A player is always created,\n"
                 "database and board only with --create.",
        .json = WRITTEN,
        .examples = "lbctl player-put demo alice --name 'Alice A.'\n"
                    "lbctl player-put demo --name Bob",
        .missing = "create it with: %l board-create %b, or give --create",
        .run = lbctl_player_put,
    },
    {
        .name = "player-get",
        .operands = "BOARD PLAYER",
        .options = LBCTL_BIT(OPT_RANK),
        .summary = "Show a player",
        .about = "REACHED is when the score was reached, in UTC.",
        .json = "{id, name, score, reached_us}, with --rank\n"
                "{id, name, score, position, rank, reached_us}",
        .examples = "lbctl player-get demo alice --rank",
        .missing = "create it with: %l player-put --create %p",
        .run = lbctl_player_get,
    },
    {
        .name = "player-around",
        .operands = "BOARD PLAYER",
        .options = LBCTL_BIT(OPT_COUNT),
        .summary = "Show a player and its neighbours in board order",
        .about = "Half of the others are above it. Near an end of the board the rows\n"
                 "shift, so that there are still as many.",
        .json = PAGE,
        .examples = "lbctl player-around demo alice --count 11",
        .missing = "create it with: %l player-put --create %p",
        .run = lbctl_player_around,
    },
    {
        .name = "player-remove",
        .operands = "BOARD PLAYER",
        .summary = "Remove a player from a board",
        .about = "",
        .json = "{removed: true, board, player}",
        .examples = "lbctl player-remove demo alice",
        .missing = "see what is there with: %l board-list",
        .run = lbctl_player_remove,
    },
    {
        .name = "score-add",
        .operands = "BOARD PLAYER [AMOUNT]",
        .options = LBCTL_BIT(OPT_EXISTING) | LBCTL_BIT(OPT_KEY),
        .summary = "Add to a score, 1 if no amount is given",
        .about = "Creates database, board and player as needed, unless --existing is\n"
                 "given; a new player starts at 0. A sum beyond the range of a score is\n"
                 "refused and nothing changes.",
        .json = WRITTEN,
        .examples = "lbctl score-add demo alice 10\n"
                    "lbctl score-add demo alice -5\n"
                    "lbctl score-add demo alice 10 --key order-4711",
        .missing = "leave out --existing to create it",
        .run = lbctl_score_add,
    },
    {
        .name = "score-set",
        .operands = "BOARD PLAYER SCORE",
        .options = LBCTL_BIT(OPT_BEST) | LBCTL_BIT(OPT_CREATE) | LBCTL_BIT(OPT_KEY),
        .summary = "Set a score",
        .about = "With --best only a better score in the board's direction counts: a\n"
                 "personal best. An equal score changes nothing.",
        .json = WRITTEN,
        .examples = "lbctl score-set demo alice 120\n"
                    "lbctl score-set lap-times alice 61250 --best --create",
        .missing = "give --create to create it",
        .run = lbctl_score_set,
    },
    {
        .name = "watch",
        .operands = "BOARD",
        .options = LBCTL_BIT(OPT_LIMIT),
        .summary = "Follow the first rows of a board, as Server-Sent Events",
        .about = "Prints the first rows at once and again whenever they have changed,\n"
                 "whoever changed them; at most 10 times a second, the last state always.\n"
                 "Runs until it is interrupted (status 0), the reader of its output has\n"
                 "gone (status 0) or the board is deleted (status 3). --timeout is about\n"
                 "the start only. With and without --json an event is\n"
                 "  event: update\n"
                 "  id: the id of this state, the same wherever it is seen\n"
                 "  data: the rows\n"
                 "and an empty line.",
        .json = PAGE,
        .examples = "lbctl watch demo\n"
                    "lbctl watch demo --limit 10 | sed -un 's/^data: //p' | jq -c .players[0]",
        .missing = "create it with: %l board-create %b",
        .follows = true,
        .run = lbctl_watch,
    },
    {
        .name = "changes",
        .operands = "[BOARD]",
        .options = LBCTL_BIT(OPT_NO_ROWS),
        .summary = "Follow every row of a board, or of all boards",
        .about = "Prints one object a line: reset, a row for every player, ready when that\n"
                 "equals the store, then each change, whoever made it. To keep a copy: at\n"
                 "reset and gone forget the rows, at row and change put new, or remove old\n"
                 "if new is null. After a gap it starts again with reset. Several changes\n"
                 "of one row may be one. gone: the board was deleted; it goes on, and a new\n"
                 "board of that id begins with reset. Without BOARD reset and ready are\n"
                 "about all boards, and board is null in them. Runs until it is interrupted\n"
                 "or the reader of its output has gone, both status 0. The lines are the\n"
                 "same with and without --json.",
        .json = "{type: reset|row|ready|change|gone, board, old, new}; old and new are null\n"
                "or {id, name, score, reached_us}, old perhaps only {id}",
        .examples = "lbctl changes demo\n"
                    "lbctl changes --no-rows | jq -c 'select(.type == \"change\") | .new'",
        .missing = "create a board with: %l board-create BOARD",
        .follows = true,
        .run = lbctl_changes,
    },
    {
        .name = "import",
        .operands = "BOARD FILE",
        .options = LBCTL_BIT(OPT_ASCENDING),
        .summary = "Put players from a file onto a board",
        .about = "Takes what export writes, or plain lines of {id, score}, with name and\n"
                 "reached_us if they are known; - is standard input. Every line is checked\n"
                 "before anything is written, then the board is created if need be, in the\n"
                 "direction of the file or of --ascending. A player that is there is\n"
                 "replaced, other players stay. If it is interrupted, run it again: what is\n"
                 "there already is left as it is. A file of export that lacks its end is\n"
                 "refused. --timeout is about each write.",
        .json = "{board, players, changed, unchanged, created}",
        .examples = "lbctl import demo demo.ndjson\n"
                    "lbctl export demo | lbctl --database sqlite:copy.db import demo -",
        .run = lbctl_import,
    },
    {
        .name = "import-boards",
        .operands = "FILE",
        .summary = "Put rows of many boards from a file, each on its own board",
        .about = "Takes the tables of another program as JSON, the rows one after another or\n"
                 "in a list: {id, board, name, score} is a player, whose name may be empty or\n"
                 "missing, {id} is a board; - is standard input. They are checked and written\n"
                 "as by import. Boards are created as needed, the highest score first; a\n"
                 "player's time is now: equal scores keep the order of the file.\n"
                 "'rethinkdb export' needs RethinkDB's Python driver. Without it the server\n"
                 "copies the rows itself, at the Data Explorer of its web console, when\n"
                 "board-create has made NEW:\n"
                 "  r.db('NEW').table('boards').insert(r.db('OLD').table('boards')\n"
                 "    .pluck('id'))\n"
                 "  r.db('NEW').table('players').insert(r.db('OLD').table('players')\n"
                 "    .map(p => p.pluck('board', 'id', 'name', 'score')\n"
                 "      .merge({key: [p('board'), p('id')]})))",
        .json = "{players, changed, unchanged}",
        .examples = "rethinkdb export -c HOST:28015 -e OLD -d dump\n"
                    "cat dump/OLD/*.json | lbctl --database rethinkdb://HOST/NEW import-boards -",
        .run = lbctl_import_boards,
    },
    {
        .name = "export",
        .operands = "BOARD [FILE]",
        .options = 0,
        .summary = "Write the players of a board to a file",
        .about = "To standard output if there is no FILE or it is -. FILE appears when it is\n"
                 "complete, not before. One object a line: the board, then its players by\n"
                 "id, then the end with their number. Others may write meanwhile: each row\n"
                 "is as it was when it was read, and a player that is there all the while\n"
                 "is there once. --timeout is how long it waits for the next rows.",
        .json = "{board, players, file}; to standard output the lines alone:\n"
                "{format: \"leaderboard\", version: 1, board, ascending}\n"
                "{id, name, score, reached_us}, ...\n"
                "{end: true, players}",
        .examples = "lbctl export demo demo.ndjson\n"
                    "lbctl export demo | gzip >demo.ndjson.gz",
        .missing = "see the boards with: %l board-list",
        .run = lbctl_export,
    },
    {
        .name = "relay",
        .operands = "",
        .options = LBCTL_BIT(OPT_LIMIT) | LBCTL_BIT(OPT_GRIP_URL) | LBCTL_BIT(OPT_PREFIX) |
                   LBCTL_BIT(OPT_INTERVAL),
        .summary = "Publish every change of every board through GRIP proxies",
        .about = "Whoever listens at a proxy to the channel of a board, PREFIX and its id,\n"
                 "gets the first rows whenever they have changed, as Server-Sent Events, the\n"
                 "last state always. Any number may run with one database: one is active,\n"
                 "the others stand by and take over within five seconds. Runs until it is\n"
                 "interrupted, and then sends what is left within ten seconds. It is the\n"
                 "program lbctl-relay of libleaderboard-push, with these options.",
        .json = "nothing",
        .examples = "lbctl relay --grip-url 'http://localhost:5561/?key=changeme'\n"
                    "GRIP_URL=http://localhost:5561/ lbctl relay --prefix leaderboard-",
        .follows = true,
        .run = lbctl_relay,
    },
    {
        .name = "doctor",
        .operands = "",
        .summary = "Say what the database is like and whether it works",
        .about = "Counts boards and players for at most two seconds, then writes: a board of\n"
                 "a generated id with one player, whose changes another client follows, and\n"
                 "deletes it. Who follows all boards hears of that. Status 0: healthy,\n"
                 "perhaps with warnings; 1: something does not work; 3: there is no\n"
                 "database, and none is made. Of RethinkDB it tells which servers are up, and\n"
                 "whether tables, replicas and index are ready. No password is printed.",
        .json = "{version, database, source, file: {path, size, wal_size}, facts: {store,\n"
                "version, schema, ...}, boards, players, counted_all, commit_us, change_us,\n"
                "findings: [{level, message}, ...], healthy}; what is not known is left out",
        .examples = "lbctl doctor\n"
                    "lbctl doctor --json | jq .change_us",
        .missing = "create a board with: %l board-create BOARD",
        .run = lbctl_doctor,
    },
    {.name = NULL},
};

const struct lbctl_command *lbctl_command_find(const char *name)
{
    for (const struct lbctl_command *c = lbctl_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}
