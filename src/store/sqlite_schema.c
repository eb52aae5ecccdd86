#include "store/sqlite_schema.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/*
 * Triggers are written for everybody: they use nothing that the sqlite3 shell of 3.31 lacks, and
 * hold whether foreign keys and recursive triggers are on or off. Each comment says against what.
 *
 * No order among the triggers of one event is relied on.
 */

/* Microseconds since 1970; unixepoch('subsec') is younger than many shells. */
#define CLOCK "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
#define LAST "ifnull((SELECT us FROM changes ORDER BY seq DESC LIMIT 1), 0)"
#define NUMBER_MAX "9007199254740991"
#define NEXT_TIME "min(max(" CLOCK ", " LAST " + 1), " NUMBER_MAX ")"

/* The comparison with length() refuses a NUL inside, which length() stops at. */
#define ID_CHECK(max)                                                                              \
    "CHECK (typeof(id) = 'text' AND length(id) BETWEEN 1 AND " max " "                             \
    "AND length(CAST(id AS BLOB)) = length(id) "                                                   \
    "AND id NOT GLOB '*[^A-Za-z0-9._~-]*' AND id NOT IN ('.', '..'))"

/* The control characters: C0, DEL and C1, and two that end lines in JavaScript. */
#define CONTROL                                                                                    \
    "'*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || "                      \
    "char(8232) || char(8233) || ']*'"

/* It would join the lines of the SQL: clang-format leaves it alone. */
/* clang-format off */
static const char boards_sql[] =
    "CREATE TABLE boards ("
    "id TEXT NOT NULL PRIMARY KEY " ID_CHECK("40") ", "
    "ascending INTEGER NOT NULL DEFAULT 0 CHECK (ascending IN (0, 1)), "
    "deleting INTEGER NOT NULL DEFAULT 0 CHECK (deleting IN (0, 1)), "
    "created_us INTEGER NOT NULL DEFAULT (" CLOCK ") CHECK (typeof(created_us) = 'integer')"
    ") WITHOUT ROWID;";

/* name: NULL stands for "none given", a trigger puts the id. ascending is the board's, kept here
 * so that both directions are one ascending order of one index. rank_key is the score or the
 * negated score; no generated column, since SQLite never takes one from an index alone, and
 * counting along it took thirty times as long. */
static const char players_sql[] =
    "CREATE TABLE players ("
    "board TEXT NOT NULL, "
    "id TEXT NOT NULL " ID_CHECK("64") ", "
    "name TEXT CHECK (name IS NULL OR (typeof(name) = 'text' AND length(name) BETWEEN 1 AND 64 "
    "AND length(CAST(name AS BLOB)) <= 256 AND instr(CAST(name AS BLOB), x'00') = 0 "
    "AND name NOT GLOB " CONTROL ")), "
    "score INTEGER NOT NULL DEFAULT 0 CHECK (typeof(score) = 'integer' "
    "AND score BETWEEN -" NUMBER_MAX " AND " NUMBER_MAX "), "
    "reached_us INTEGER NOT NULL DEFAULT 0 CHECK (typeof(reached_us) = 'integer' "
    "AND reached_us BETWEEN 0 AND " NUMBER_MAX "), "
    "ascending INTEGER NOT NULL DEFAULT 0, "
    "rank_key INTEGER NOT NULL DEFAULT 0, "
    "PRIMARY KEY (board, id)"
    ") WITHOUT ROWID;"
    "CREATE INDEX players_rank ON players (board, rank_key, reached_us, id);";

/* changes: which row has changed, and its values before. seq has no holes; us never goes back and
 * is no less than any reached_us before it, so the newest one is the store's time. id NULL: the
 * board itself, old_score 1 = was created, 0 = is gone. The highest number there is would be
 * followed by random ones, which no follower finds: an outside write of it is refused.
 * keys: what was answered to a request with an idempotency key.
 * leases: who has one, and until when. */
static const char log_sql[] =
    "CREATE TABLE changes (seq INTEGER PRIMARY KEY CHECK (seq < 4611686018427387904), "
    "us INTEGER NOT NULL, board TEXT NOT NULL, "
    "id TEXT, old_name TEXT, old_score INTEGER, old_reached_us INTEGER);"
    "CREATE TABLE keys (board TEXT NOT NULL, player TEXT NOT NULL, key TEXT NOT NULL, "
    "verb INTEGER NOT NULL, amount INTEGER NOT NULL, flags INTEGER NOT NULL, "
    "changed INTEGER NOT NULL, name TEXT NOT NULL, score INTEGER NOT NULL, "
    "reached_us INTEGER NOT NULL, us INTEGER NOT NULL, PRIMARY KEY (board, player, key)"
    ") WITHOUT ROWID;"
    "CREATE INDEX keys_us ON keys (us);"
    "CREATE TABLE leases (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, "
    "until_us INTEGER NOT NULL) WITHOUT ROWID;";

#define LOG(us, board, id, old_name, old_score, old_reached_us)                                    \
    "INSERT INTO changes (us, board, id, old_name, old_score, old_reached_us) VALUES (" us         \
    ", " board ", " id ", " old_name ", " old_score ", " old_reached_us "); "

#define LOG_BOARD(board, created) LOG(LAST, board, "NULL", "NULL", created, "NULL")

static const char boards_triggers[] =
    "CREATE TRIGGER boards_insert_check BEFORE INSERT ON boards "
    "WHEN EXISTS (SELECT 1 FROM boards WHERE id = NEW.id "
    "AND (deleting = 1 OR ascending IS NOT NEW.ascending)) "
    "BEGIN SELECT RAISE(ABORT, 'this board is there in the other direction or is being deleted: "
    "delete it first'); END;"

    "CREATE TRIGGER boards_insert_log AFTER INSERT ON boards "
    "BEGIN " LOG_BOARD("NEW.id", "1") "END;"

    "CREATE TRIGGER boards_update_check BEFORE UPDATE ON boards "
    "WHEN NEW.id IS NOT OLD.id OR NEW.ascending IS NOT OLD.ascending "
    "OR NEW.deleting < OLD.deleting "
    "BEGIN SELECT RAISE(ABORT, 'a board keeps its id and its direction, and a deletion that has "
    "begun cannot be undone'); END;"

    "CREATE TRIGGER boards_mark_log AFTER UPDATE OF deleting ON boards "
    "WHEN NEW.deleting = 1 AND OLD.deleting = 0 "
    "BEGIN " LOG_BOARD("NEW.id", "0") "END;"

    /* A deletion that was marked is logged already. */
    "CREATE TRIGGER boards_delete_log AFTER DELETE ON boards WHEN OLD.deleting = 0 "
    "BEGIN " LOG_BOARD("OLD.id", "0") "END;"

    /* Foreign keys are off in the shell. */
    "CREATE TRIGGER boards_delete_rows AFTER DELETE ON boards "
    "BEGIN DELETE FROM players WHERE board = OLD.id; "
    "DELETE FROM keys WHERE board = OLD.id; END;";

/* What an outside write has left for us to fill in: the direction, a name, the time. A time is
 * the writer's own when it differs from the old one and is not 0. */
#define DIRECTION "(SELECT ascending FROM boards WHERE id = NEW.board)"
#define RANK_KEY(direction) "CASE " direction " WHEN 1 THEN NEW.score ELSE -NEW.score END"
#define INSERT_INCOMPLETE                                                                          \
    "(NEW.reached_us = 0 OR NEW.name IS NULL "                                                     \
    "OR NEW.rank_key IS NOT " RANK_KEY("NEW.ascending") " "                                        \
    "OR NEW.ascending IS NOT " DIRECTION ")"
#define NO_TIME                                                                                    \
    "(NEW.reached_us = 0 OR (NEW.score <> OLD.score AND NEW.reached_us = OLD.reached_us))"
#define UPDATE_INCOMPLETE                                                                          \
    NO_TIME " OR NEW.name IS NULL OR NEW.board <> OLD.board "                                      \
    "OR NEW.rank_key IS NOT " RANK_KEY("NEW.ascending")
#define COMPLETE(no_time)                                                                          \
    "UPDATE players SET "                                                                          \
    "reached_us = CASE WHEN " no_time " THEN " NEXT_TIME " ELSE NEW.reached_us END, "              \
    "name = ifnull(NEW.name, NEW.id), "                                                            \
    "ascending = " DIRECTION ", rank_key = " RANK_KEY(DIRECTION) " "                               \
    "WHERE board = NEW.board AND id = NEW.id; "

#define HAS_BOARD "EXISTS (SELECT 1 FROM boards WHERE id = NEW.board AND deleting = 0)"
#define NO_BOARD "SELECT RAISE(ABORT, 'no such board: INSERT INTO boards(id) first'); "

/* The store's time never goes back, and no given time takes it far into the future: that would be
 * the time of every score from then on. */
#define NEW_TIME                                                                                   \
    "CASE WHEN NEW.reached_us BETWEEN " LAST " AND " CLOCK " + 86400000000 "                       \
    "THEN NEW.reached_us ELSE " LAST " END"
#define LOG_NEW LOG(NEW_TIME, "NEW.board", "NEW.id", "NULL", "NULL", "NULL")
#define LOG_OLD                                                                                    \
    LOG(NEW_TIME, "OLD.board", "OLD.id", "OLD.name", "OLD.score", "OLD.reached_us")

static const char players_triggers[] =
    "CREATE TRIGGER players_insert_check BEFORE INSERT ON players WHEN NOT " HAS_BOARD " "
    "BEGIN " NO_BOARD "END;"

    "CREATE TRIGGER players_insert_log AFTER INSERT ON players "
    "BEGIN " LOG_NEW "END;"

    "CREATE TRIGGER players_insert_complete AFTER INSERT ON players WHEN " INSERT_INCOMPLETE " "
    "BEGIN " COMPLETE("NEW.reached_us = 0") "END;"

    "CREATE TRIGGER players_move_check BEFORE UPDATE OF board ON players "
    "WHEN NEW.board <> OLD.board AND NOT " HAS_BOARD " "
    "BEGIN " NO_BOARD "END;"

    "CREATE TRIGGER players_direction_check BEFORE UPDATE OF ascending ON players "
    "WHEN NEW.ascending IS NOT " DIRECTION " "
    "BEGIN SELECT RAISE(ABORT, 'the direction of a player is that of its board'); END;"

    /* The one that runs for each of our own writes. The two that follow it do their part by an
     * UPDATE, which brings it about too. */
    "CREATE TRIGGER players_update_log AFTER UPDATE ON players WHEN NOT (" UPDATE_INCOMPLETE ") "
    "BEGIN " LOG_OLD "END;"

    "CREATE TRIGGER players_update_complete AFTER UPDATE ON players WHEN " UPDATE_INCOMPLETE " "
    "BEGIN " LOG_OLD COMPLETE(NO_TIME) "END;"

    /* A row that moves is two keys: UPDATE OR REPLACE ... SET id = 'bob' also ends bob's old
     * row, of which nothing else tells. */
    "CREATE TRIGGER players_move_log AFTER UPDATE OF board, id ON players "
    "WHEN NEW.board <> OLD.board OR NEW.id <> OLD.id "
    "BEGIN " LOG_NEW "END;"

    /* The rows of a board that goes are not logged one by one. */
    "CREATE TRIGGER players_delete_log AFTER DELETE ON players "
    "WHEN EXISTS (SELECT 1 FROM boards WHERE id = OLD.board AND deleting = 0) "
    "BEGIN " LOG(LAST, "OLD.board", "OLD.id", "OLD.name", "OLD.score", "OLD.reached_us") "END;";

/* The end of the log is what followers go by; the rest may go. */
static const char changes_triggers[] =
    "CREATE TRIGGER changes_delete BEFORE DELETE ON changes "
    "WHEN OLD.seq = (SELECT seq FROM changes ORDER BY seq DESC LIMIT 1) "
    "BEGIN SELECT RAISE(IGNORE); END;"

    "CREATE TRIGGER changes_update BEFORE UPDATE ON changes "
    "BEGIN SELECT RAISE(ABORT, 'the change log is not to be edited'); END;";
/* clang-format on */

/* ---- Checking ------------------------------------------------------------------------------- */

enum { EMPTY = 0, OURS = 1 };

/* The tables, the indices, and the trigger that is made last. */
enum { OBJECTS = 8 };

static int count_objects(lbi_db *db, int64_t *ret)
{
    return lbi_db_pragma(db,
                         "SELECT count(*) FROM sqlite_master WHERE lower(name) IN "
                         "('boards', 'players', 'changes', 'keys', 'leases', 'players_rank', "
                         "'keys_us', 'changes_update')",
                         ret);
}

static int fail_foreign(lbi_db *db)
{
    return lbi_fail(&db->error, LB_E_CONFLICT,
                    "'%.100s' is another program's database: name another file", db->name);
}

static int check_ours(lbi_db *db, int64_t version)
{
    if (version > LBI_SCHEMA_VERSION)
        return lbi_fail(&db->error, LB_E_UNSUPPORTED,
                        "the database '%.100s' was made by a newer version of this library "
                        "(schema %" PRId64 ", this one knows %d): upgrade",
                        db->name, version, LBI_SCHEMA_VERSION);
    return version == LBI_SCHEMA_VERSION ? OURS : fail_foreign(db);
}

/* Nobody else has all of it; but a sum of parts may be of any version, so we do not mark it. */
static int fail_unmarked(lbi_db *db)
{
    return lbi_fail(&db->error, LB_E_CONFLICT,
                    "'%.100s' has a leaderboard's tables but not its mark, as after .dump: do "
                    "sqlite3 FILE 'PRAGMA application_id=%d; PRAGMA user_version=%d'",
                    db->name, LBI_APPLICATION_ID, LBI_SCHEMA_VERSION);
}

/* Returns EMPTY or OURS. */
static int look(lbi_db *db)
{
    int64_t application = 0, version = 0, objects = 0;
    int r = lbi_db_pragma(db, "PRAGMA application_id", &application);

    if (r >= 0)
        r = lbi_db_pragma(db, "PRAGMA user_version", &version);
    if (r < 0)
        return r;
    if (application == LBI_APPLICATION_ID)
        return check_ours(db, version);
    if (application != 0 || version != 0)
        return fail_foreign(db);
    r = count_objects(db, &objects);
    if (r < 0)
        return r;
    if (objects == OBJECTS)
        return fail_unmarked(db);
    if (objects > 0)
        return lbi_fail(&db->error, LB_E_CONFLICT,
                        "'%.100s' has tables named boards or players that this library did not "
                        "make: name another file",
                        db->name);
    return EMPTY;
}

/* ---- Making --------------------------------------------------------------------------------- */

static int make_tables(lbi_db *db)
{
    const char *const scripts[] = {boards_sql,      players_sql,      log_sql,
                                   boards_triggers, players_triggers, changes_triggers};
    char stamp[96];

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        int r = lbi_db_script(db, scripts[i]);

        if (r < 0)
            return r;
    }
    (void)sqlite3_snprintf(sizeof stamp, stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                           LBI_APPLICATION_ID, LBI_SCHEMA_VERSION);
    return lbi_db_script(db, stamp);
}

/* Several processes may come here at once: the first makes the tables, the others find them. */
static int make(lbi_db *db)
{
    int r = lbi_db_do(db, LBI_SQL_BEGIN_WRITE);

    if (r >= 0)
        r = look(db);
    if (r == EMPTY)
        r = make_tables(db);
    if (r >= 0)
        r = lbi_db_do(db, LBI_SQL_COMMIT);
    lbi_db_rollback(db);
    return r < 0 ? r : 0;
}

/* Both are properties of the file: on all but the first opening this changes nothing.
 *
 * An add to a random player of a million changes three pages that nobody else has changed. Small
 * pages make the write-ahead log, and what has to reach the disk, a quarter as large. */
static int use_log(lbi_db *db)
{
    return db->readonly ? 0 : lbi_db_script(db, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL");
}

static int set_durability(lbi_db *db, int durability)
{
    return lbi_db_script(db, durability == LB_DURABILITY_FULL ? "PRAGMA synchronous=FULL"
                                                              : "PRAGMA synchronous=NORMAL");
}

/* In one transaction: another process may be making the tables. */
static int look_at_once(lbi_db *db)
{
    int r = lbi_db_do(db, LBI_SQL_BEGIN);

    if (r >= 0)
        r = look(db);
    lbi_db_rollback(db);
    return r < 0 || db->handle ? r : lbi_db_fail(db, SQLITE_NOMEM);
}

int lbi_schema_prepare(lbi_db *db, bool create, int durability)
{
    int r = set_durability(db, durability);
    bool empty;

    if (r >= 0)
        r = look_at_once(db);
    if (r < 0)
        return r;
    empty = r == EMPTY;
    if (empty && !create)
        return lbi_fail(&db->error, LB_E_NOTFOUND,
                        "there is no database at '%.100s' yet: the first board or score that is "
                        "created makes it",
                        db->name);
    r = use_log(db);
    if (r >= 0 && empty)
        r = make(db);
    return r < 0 ? r : 0;
}
