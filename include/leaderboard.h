/*
 * libleaderboard: realtime leaderboards for C services.
 *
 * Scores live in an embedded SQLite file that any number of processes share or, when one machine
 * is not enough, in a RethinkDB cluster. A program links this library, adds to scores, reads
 * boards, and is called back when a board changes, whoever changed it: this process, another one,
 * or somebody at the database's own shell.
 *
 * Caveats first:
 *
 * - Threads. A client and everything made from it belongs to one thread at a time. Different
 *   clients may run in parallel. Only lb_client_wakeup() may be called from another thread.
 *   The library starts no threads and keeps no global state.
 * - Fork. A client does not survive fork(): in the child every call on it returns LB_E_FORKED. A
 *   child whose parent had an SQLite database open at the fork cannot open one with a client of
 *   its own either (LB_E_FORKED): fork before the first operation, or exec.
 * - Callbacks run only inside lb_client_process() (and lb_client_free(), for what was still
 *   pending), and row callbacks also inside their own blocking call. Never inside a _start call.
 *   A callback may make any call, blocking ones included, except lb_client_process(). A blocking
 *   call inside a callback drives only its own operation; everything else waits for the next
 *   lb_client_process().
 * - Ownership is one of three words. "Yours": you end it with the call that is named. "Borrowed":
 *   do not free it, and do not use it after the moment that is named. "Copied": the library keeps
 *   its own copy, yours may go at once. All inputs are copied.
 * - Output structs are allocated by the library and may grow at the end in later versions: do not
 *   copy them by sizeof, do not put them into arrays. Input structs carry their size: prepare them
 *   with their _init macro. Zero means the default in every field.
 * - Time is in milliseconds where a name ends in _ms, microseconds where it ends in _us.
 *
 * Return values: 0 or more is success, less than 0 is one of the LB_E_ codes. Calls that take an
 * `lb_error *reterr` also fill it on failure; it may be NULL. Every call on a client can return
 * LB_E_INVAL (an argument is wrong), LB_E_NOMEM and LB_E_FORKED, which are not repeated below.
 */
#ifndef LEADERBOARD_H
#define LEADERBOARD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LB_API __attribute__((visibility("default")))
#else
#define LB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LB_VERSION_MAJOR 0
#define LB_VERSION_MINOR 1
#define LB_VERSION_PATCH 0

/* The version of the library that is running, such as "0.1.0".
 * Threads: any. Since: 0.1. */
LB_API const char *lb_version(void);

/* ---- Limits --------------------------------------------------------------------------------- */

#define LB_BOARD_MAX 40  /* bytes in a board id; [A-Za-z0-9._~-], not "." or ".." */
#define LB_PLAYER_MAX 64 /* bytes in a player id; the same characters */
#define LB_NAME_MAX 256  /* bytes in a name: UTF-8, 1 to 64 code points, no control characters */
#define LB_KEY_MAX 64    /* bytes in an idempotency key; [A-Za-z0-9_-] */
#define LB_SCORE_MAX INT64_C(9007199254740991) /* 2^53-1: exact in JSON, browsers and RethinkDB */
#define LB_SCORE_MIN (-LB_SCORE_MAX)
#define LB_LIMIT_MAX 1000   /* rows in one page */
#define LB_LIMIT_DEFAULT 5  /* rows in a page that asks for none, as in the HTTP API */
#define LB_OFFSET_MAX 10000 /* deeper pages are read by cursor */
#define LB_CURSOR_SIZE 128  /* bytes for lb_player_cursor(), its NUL included */
#define LB_STATE_SIZE 33    /* bytes of a state id, its NUL included */
#define LB_NEVER UINT64_MAX /* no deadline */

/* ---- Errors --------------------------------------------------------------------------------- */

/* Every error code: name, value, text. The values are frozen, the list grows at its end. */
#define LB_ERROR_MAP(X)                                                                            \
    X(NOMEM, -1, "out of memory")                                                                  \
    X(INVAL, -2, "invalid argument")                                                               \
    X(STATE, -3, "not possible in this state")                                                     \
    X(BUSY, -4, "busy")                                                                            \
    X(FORKED, -5, "client used in a child process after fork()")                                   \
    X(LIMIT, -6, "a limit was reached")                                                            \
    X(TIMEOUT, -7, "timed out, not applied")                                                       \
    X(CANCELED, -8, "canceled, not applied")                                                       \
    X(CLOSED, -9, "client closed, not applied")                                                    \
    X(IO, -10, "input/output error")                                                               \
    X(FULL, -11, "disk full")                                                                      \
    X(READONLY, -12, "read-only")                                                                  \
    X(CORRUPT, -13, "database is corrupt or not a database")                                       \
    X(NOTFOUND, -14, "not found")                                                                  \
    X(CONFLICT, -15, "conflicts with what is stored")                                              \
    X(RANGE, -16, "result out of range")                                                           \
    X(UNKNOWN, -17, "outcome unknown, may have been applied")                                      \
    X(UNSUPPORTED, -18, "not supported")                                                           \
    X(TLS, -19, "TLS error")                                                                       \
    X(AUTH, -20, "not authorized")                                                                 \
    X(PROTO, -21, "protocol error")                                                                \
    X(QUERY, -22, "query refused by the server")

enum {
#define LB_ERROR_ENUM(name, value, text) LB_E_##name = value,
    LB_ERROR_MAP(LB_ERROR_ENUM)
#undef LB_ERROR_ENUM
        LB_E_SUCCESS_ = 0 /* ends the list without a comma; success is 0 or more */
};

/* What went wrong, for people. Yours; written only on failure. Its layout is frozen. */
typedef struct lb_error {
    int code;      /* LB_E_... */
    char msg[252]; /* one sentence, UTF-8, says what to do where that is known */
} lb_error;

/* The general text of a code, "unknown error" for others. Never NULL, static.
 * Threads: any. Since: 0.1. */
LB_API const char *lb_strerror(int code);

/* The name of a code, such as "NOTFOUND", "?" for others. Never NULL, static.
 * Threads: any. Since: 0.1. */
LB_API const char *lb_error_name(int code);

/* ---- Rows ----------------------------------------------------------------------------------- */

/* A player on a board. Borrowed, see each call. */
typedef struct lb_player {
    const char *board;
    const char *id;
    const char *name; /* valid UTF-8, never NULL */
    int64_t score;
    int64_t reached_us; /* when this score was reached, microseconds since 1970 */
    uint64_t position;  /* 1..N, unique on the board; 0 = not computed */
    uint64_t rank;      /* equal scores share one: 1, 2, 2, 4; 0 = not computed */
} lb_player;

/* A board. Borrowed, see each call. */
typedef struct lb_board {
    const char *id;
    int ascending;      /* 1: the lowest score is first */
    int64_t created_us; /* microseconds since 1970 */
    int64_t players;    /* how many; -1 = not counted */
} lb_board;

/* Receives one row, borrowed until it returns. Return 0 to go on; any other value ends the
 * rows and becomes the result of the operation. */
typedef int (*lb_player_fn)(const lb_player *player, void *user);
typedef int (*lb_board_fn)(const lb_board *board, void *user);

/* Writes the cursor of a row into buf: continues a listing behind that row through
 * lb_range.after, also when the row has moved or gone since. Its characters need no escaping in a
 * URL. buf holds at least LB_CURSOR_SIZE bytes.
 * Returns: 0, LB_E_INVAL. Threads: any. Since: 0.1. */
LB_API int lb_player_cursor(const lb_player *player, char *buf, size_t size);

/* Reads a score or an amount: an optional minus sign and decimal digits, within LB_SCORE_MIN and
 * LB_SCORE_MAX. No white space, plus sign, fraction, exponent or leading zeros.
 * Returns: 0, LB_E_INVAL. Threads: any. Since: 0.1. */
LB_API int lb_score_parse(const char *text, int64_t *ret, lb_error *reterr);

/* Says whether an id or a name is one that the library takes.
 * Returns: 0, LB_E_INVAL. Threads: any. Since: 0.1. */
LB_API int lb_board_id_check(const char *id, lb_error *reterr);
LB_API int lb_player_id_check(const char *id, lb_error *reterr);
LB_API int lb_name_check(const char *name, lb_error *reterr);

/* ---- Client --------------------------------------------------------------------------------- */

typedef struct lb_client lb_client;
typedef struct lb_op lb_op;
typedef struct lb_changes lb_changes;

enum {
    LB_DURABILITY_DEFAULT = 0, /* SQLite: NORMAL. RethinkDB is always FULL */
    LB_DURABILITY_NORMAL = 1,  /* survives the end of the process; a power cut may lose the last */
    LB_DURABILITY_FULL = 2     /* survives a power cut: each commit waits for the disk */
};

/* What the library noticed and got over by itself: for a log or a metric. */
enum {
    LB_NOTICE_RETRY = 1,      /* a follower met an error and tries again */
    LB_NOTICE_GAP = 2,        /* changes were missed: subscriptions start again with RESET */
    LB_NOTICE_CHECKPOINT = 3, /* moving the write-ahead log into the database failed */
    LB_NOTICE_BAD_ROW = 4     /* RethinkDB: a row whose score or id is none was left out */
};

/* Borrowed until the callback returns. */
typedef struct lb_notice {
    int kind;            /* LB_NOTICE_... */
    int code;            /* LB_E_..., or 0 */
    const char *message; /* one sentence */
} lb_notice;

/* Must not call the library. Runs where callbacks run, and inside blocking calls. */
typedef void (*lb_notice_fn)(const lb_notice *notice, void *user);

typedef struct lb_options {
    size_t struct_size;   /* set by lb_options_init() */
    const char *database; /* "sqlite:PATH", or "rethinkdb://[USER[:PASSWORD]@]HOST[:PORT][,...]/DB"
                             with, behind a ?, tls=1 & ca=FILE & silence_ms=N (how long a server may
                             be silent before it counts as gone, 100..3600000, 30000 by default);
                             NULL = "sqlite:leaderboard.db" */
    uint32_t timeout_ms;  /* of an operation that sets none; 0 = 5,000; at most 3,600,000 */
    int durability;       /* LB_DURABILITY_... */
    uint32_t max_pending; /* operations that may be pending; 0 = 65,536 */
    uint32_t change_log;  /* changes kept for followers to catch up; 0 = 65,536; 1..10,000,000 */
    lb_notice_fn notice;  /* or NULL */
    void *notice_user;
} lb_options;

/* Prepare an input struct: everything zero, its size set. */
LB_API void lb_init_sized(void *options, size_t size);
#define lb_options_init(o) lb_init_sized((o), sizeof *(o))
#define lb_range_init(o) lb_init_sized((o), sizeof *(o))
#define lb_read_options_init(o) lb_init_sized((o), sizeof *(o))
#define lb_write_options_init(o) lb_init_sized((o), sizeof *(o))
#define lb_changes_options_init(o) lb_init_sized((o), sizeof *(o))

/* Makes a client. Touches neither file nor network: the first operation opens the database, and
 * only a write that may create something creates a database file.
 * opts may be NULL. Owns: *ret is yours, end it with lb_client_free().
 * Returns: 0, LB_E_INVAL (bad URL or option), LB_E_UNSUPPORTED (an option of a newer library, a
 * scheme that is not built in), LB_E_IO. Callbacks: never. Since: 0.1. */
LB_API int lb_client_new(const lb_options *opts, lb_client **ret, lb_error *reterr);

/* Ends a client: pending operations complete with LB_E_CLOSED, each once, subscriptions end
 * without a further call, their handles become invalid. NULL does nothing. Inside a callback it
 * takes effect when lb_client_process() (or the outermost blocking call) returns. In a forked
 * child it does nothing. Returns NULL. Callbacks: completions. Since: 0.1. */
LB_API lb_client *lb_client_free(lb_client *client);

/* A descriptor to poll for reading; the same one for the life of the client. Borrowed.
 * Returns: the descriptor, LB_E_FORKED. Callbacks: never. Since: 0.1. */
LB_API int lb_client_fd(lb_client *client);

/* When to call lb_client_process() even if the descriptor is silent: an absolute time in
 * microseconds of CLOCK_MONOTONIC, 0 = at once, LB_NEVER = no such time. Ask again before each
 * poll; round a millisecond timeout up. Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_client_deadline(lb_client *client, uint64_t *ret_us);

/* Does one bounded piece of what is due, and runs callbacks. Never sleeps.
 * Returns: 1 = did something, call again (other work may go between); 0 = nothing to do, poll;
 * LB_E_BUSY inside a callback. Failures of operations go to their completions, never here.
 * Callbacks: yes. Since: 0.1. */
LB_API int lb_client_process(lb_client *client);

/* Sleeps until lb_client_process() has something to do, lb_client_wakeup() was called, or
 * timeout_us has passed (LB_NEVER = for ever). For programs without a loop of their own.
 * Returns: 1 = call lb_client_process(), 0 = the time passed (or a signal came), LB_E_IO.
 * Callbacks: never. Since: 0.1. */
LB_API int lb_client_wait(lb_client *client, uint64_t timeout_us);

/* Makes lb_client_wait() return and the descriptor readable once. Threads: any, and signal
 * handlers. Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_client_wakeup(lb_client *client);

/* Counts since lb_client_new(). */
typedef struct lb_counters {
    uint64_t operations;   /* completed, whatever the result */
    uint64_t transactions; /* write transactions committed */
    uint64_t busy;         /* times the database was locked by somebody else */
    uint64_t changes;      /* changes read from the store */
    uint64_t gaps;         /* times changes were missed and subscriptions were reset */
    uint64_t retries;      /* follower errors that were retried */
    uint64_t bad_rows;     /* rows whose score or id is none, met by subscriptions and pages */
} lb_counters;

/* Copies the counters into *ret; size is sizeof(lb_counters) of the caller.
 * Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_client_counters(lb_client *client, lb_counters *ret, size_t size);

/* ---- Operations ----------------------------------------------------------------------------- *
 *
 * Each operation exists twice. The blocking call returns when it has completed; it drives the
 * client by itself and needs no loop. The _start call returns at once: 0 and the operation
 * completes exactly once, through `done`, inside lb_client_process() or lb_client_free(); or less
 * than 0 and `done` is never called. *ret, if asked for, is borrowed until `done` returns.
 * `done` may be NULL.
 *
 * Writes that are pending together are committed together, in the order in which they were
 * started, and answer exactly as if they had come one after another; one that is refused fails
 * alone. A read sees every write of its client that had completed when it was started; one that is
 * still pending, perhaps because it waits for another program's lock, it may see or not.
 *
 * Beside the codes that a call names, any operation can end with LB_E_TIMEOUT, LB_E_CANCELED,
 * LB_E_CLOSED (each: not applied), LB_E_LIMIT (too many pending), LB_E_IO, LB_E_FULL,
 * LB_E_READONLY, LB_E_CORRUPT, LB_E_UNSUPPORTED (a database of a newer version), LB_E_CONFLICT (one
 * that another program has shaped), LB_E_UNKNOWN (a write that may or may not have been applied)
 * and, for want of a database, LB_E_NOTFOUND.
 */

/* How an operation ended. Borrowed until the completion callback returns. */
typedef struct lb_result {
    int code;                /* 1 = something changed, 0 = not, < 0 = LB_E_... */
    const char *message;     /* "" unless code < 0 */
    const lb_player *player; /* the row that was read or written, or NULL */
    const lb_board *board;   /* the board that was read or written, or NULL */
    const char *state;       /* with LB_READ_STATE: id of the page's rows, the same in every process
                                and in LB_CHANGE_TOP; or NULL */
} lb_result;

typedef void (*lb_done_fn)(const lb_result *result, void *user);

/* Asks for an operation to be withdrawn. It still completes exactly once: with LB_E_CANCELED if
 * nothing was applied, with its true result if it was too late. NULL does nothing.
 * Returns: 0. Callbacks: never (the completion follows in lb_client_process()). Since: 0.1. */
LB_API int lb_op_cancel(lb_op *op);

/* Flags of lb_write_options. */
enum {
    LB_WRITE_CREATE = 1, /* create the database, the board and the player if they do not exist */
    LB_WRITE_BEST = 2    /* lb_score_set: only if better in the board's direction */
};

typedef struct lb_write_options {
    size_t struct_size;
    uint32_t timeout_ms;         /* 0 = the client's; at most 3,600,000 */
    uint32_t flags;              /* LB_WRITE_... */
    const char *idempotency_key; /* lb_score_*: a repeat for the same player with this key is
                                    answered with the first answer and not applied again: within 24
                                    hours (SQLite), while it is one of the player's last 16 keys
                                    (RethinkDB); refusals are not remembered; or NULL.
                                    Do not count on a key after its player was removed: with
                                    RethinkDB it goes with the player, and a repeat is a new request
                                    (LB_E_NOTFOUND, or with LB_WRITE_CREATE a new player); with
                                    SQLite the first answer may be given. Without LB_WRITE_CREATE a
                                    repeat never brings a player back. */
} lb_write_options;

/* Flags of lb_read_options and lb_range. */
enum {
    LB_READ_PLACE = 1,    /* reads of players by id: compute position and rank (takes time
                            proportional to the position) */
    LB_READ_NO_PLACE = 2, /* pages by cursor: leave position and rank 0, which saves that time */
    LB_READ_STATE = 4,    /* lb_board_get_start: the result says which state the page was in */
    LB_READ_DURABLE = 8 /* pages: wait until all that the page shows is on disk, so that a crash of
                             the database cannot take it back. Some milliseconds with RethinkDB;
                             with SQLite nothing, only a power failure takes back what is there */
};

typedef struct lb_read_options {
    size_t struct_size;
    uint32_t timeout_ms; /* 0 = the client's; at most 3,600,000 */
    uint32_t flags;      /* LB_READ_... */
} lb_read_options;

/* Which rows of a listing. */
typedef struct lb_range {
    size_t struct_size;
    uint32_t timeout_ms; /* 0 = the client's; at most 3,600,000 */
    uint32_t flags;      /* LB_READ_NO_PLACE, LB_READ_STATE, LB_READ_DURABLE */
    uint32_t limit;      /* rows, 1..LB_LIMIT_MAX; 0 = the call's default */
    uint32_t offset;     /* rows to skip, 0..LB_OFFSET_MAX */
    const char *after;   /* start behind this: a cursor of lb_player_cursor(), a board id for
                            lb_board_list(); not together with offset; or NULL */
} lb_range;

/* What the database says of itself, as names and values: "store" (sqlite or rethinkdb), "version"
 * of the engine, "schema", perhaps several times "warning" (a sentence that somebody ought to
 * read), and others; new names may come. Both borrowed until fn returns; return 0 to go on.
 * Returns: 0, or what fn returned. Callbacks: fn. Since: 0.1. */
typedef int (*lb_info_fn)(const char *name, const char *value, void *user);
LB_API int lb_database_info(lb_client *client, const lb_read_options *opts, lb_info_fn fn,
                            void *user, lb_error *reterr);
LB_API int lb_database_info_start(lb_client *client, const lb_read_options *opts, lb_info_fn fn,
                                  lb_done_fn done, void *user, lb_op **ret, lb_error *reterr);

/* ---- Boards --------------------------------------------------------------------------------- */

/* Flags of lb_board_create(). */
enum { LB_BOARD_ASCENDING = 1 /* the lowest score is first */ };

/* Creates a board, and the database if there is none. board == NULL generates an id (UUIDv4).
 * *ret, if asked for, is borrowed until the next call on the client.
 * Returns: 1 = created, 0 = there already, LB_E_CONFLICT = there with the other direction, or
 * being deleted. Since: 0.1. */
LB_API int lb_board_create(lb_client *client, const char *board, uint32_t flags,
                           const lb_write_options *opts, const lb_board **ret, lb_error *reterr);
LB_API int lb_board_create_start(lb_client *client, const char *board, uint32_t flags,
                                 const lb_write_options *opts, lb_done_fn done, void *user,
                                 lb_op **ret, lb_error *reterr);

/* Deletes a board and its players. It is gone for everybody at once, its rows are removed in
 * bounded steps; when they could not all be removed in time (LB_E_UNKNOWN, or a crash) calling it
 * again goes on. LB_E_TIMEOUT: the board is as it was. Returns: 1, LB_E_NOTFOUND. Since: 0.1. */
LB_API int lb_board_delete(lb_client *client, const char *board, const lb_write_options *opts,
                           lb_error *reterr);
LB_API int lb_board_delete_start(lb_client *client, const char *board, const lb_write_options *opts,
                                 lb_done_fn done, void *user, lb_op **ret, lb_error *reterr);

/* Lists boards by id, bytewise. Default limit LB_LIMIT_MAX. Boards are not counted.
 * Returns: 0, or what fn returned. Callbacks: fn. Since: 0.1. */
LB_API int lb_board_list(lb_client *client, const lb_range *range, lb_board_fn fn, void *user,
                         lb_error *reterr);
LB_API int lb_board_list_start(lb_client *client, const lb_range *range, lb_board_fn fn,
                               lb_done_fn done, void *user, lb_op **ret, lb_error *reterr);

/* One board with the number of its players. *ret is borrowed until the next call on the client.
 * Returns: 0, LB_E_NOTFOUND. Since: 0.1. */
LB_API int lb_board_info(lb_client *client, const char *board, const lb_read_options *opts,
                         const lb_board **ret, lb_error *reterr);
LB_API int lb_board_info_start(lb_client *client, const char *board, const lb_read_options *opts,
                               lb_done_fn done, void *user, lb_op **ret, lb_error *reterr);

/* A page of a board in its order: score, then who reached it first, then player id bytewise.
 * Rows carry position and rank. range may be NULL: the first LB_LIMIT_DEFAULT rows.
 * RethinkDB: rows that somebody else wrote under an id that is none are left out, and a page is full
 * without them; but they are counted in lb_board.players, and in position and rank where these are
 * counted: of a page by cursor, of neighbours, of players by id.
 * Returns: 0, LB_E_NOTFOUND, or what fn returned. Callbacks: fn. Since: 0.1. */
LB_API int lb_board_get(lb_client *client, const char *board, const lb_range *range,
                        lb_player_fn fn, void *user, lb_error *reterr);
LB_API int lb_board_get_start(lb_client *client, const char *board, const lb_range *range,
                              lb_player_fn fn, lb_done_fn done, void *user, lb_op **ret,
                              lb_error *reterr);

/* ---- Players -------------------------------------------------------------------------------- */

/* Creates a player with score 0, or renames one. player == NULL generates an id (UUIDv4).
 * name == NULL: a new player is named by its id, one that exists keeps its name.
 * *ret, if asked for, is borrowed until the next call on the client.
 * Returns: 1 = created or renamed, 0 = nothing changed, LB_E_NOTFOUND (board). Since: 0.1. */
LB_API int lb_player_put(lb_client *client, const char *board, const char *player, const char *name,
                         const lb_write_options *opts, const lb_player **ret, lb_error *reterr);
LB_API int lb_player_put_start(lb_client *client, const char *board, const char *player,
                               const char *name, const lb_write_options *opts, lb_done_fn done,
                               void *user, lb_op **ret, lb_error *reterr);

/* Puts a player exactly as given, whatever is there: for an import, a move or a repair. reached_us
 * is 1..LB_SCORE_MAX, 0 = now; name == NULL names the player by its id. No id is generated.
 * Otherwise as lb_player_put(). Since: 0.1. */
LB_API int lb_player_restore(lb_client *client, const char *board, const char *player,
                             const char *name, int64_t score, int64_t reached_us,
                             const lb_write_options *opts, const lb_player **ret, lb_error *reterr);
LB_API int lb_player_restore_start(lb_client *client, const char *board, const char *player,
                                   const char *name, int64_t score, int64_t reached_us,
                                   const lb_write_options *opts, lb_done_fn done, void *user,
                                   lb_op **ret, lb_error *reterr);

/* One player. *ret is borrowed until the next call on the client.
 * Returns: 0, LB_E_NOTFOUND. Since: 0.1. */
LB_API int lb_player_get(lb_client *client, const char *board, const char *player,
                         const lb_read_options *opts, const lb_player **ret, lb_error *reterr);
LB_API int lb_player_get_start(lb_client *client, const char *board, const char *player,
                               const lb_read_options *opts, lb_done_fn done, void *user,
                               lb_op **ret, lb_error *reterr);

/* Up to LB_LIMIT_MAX players by id, in the order in which they are named; those that do not
 * exist are left out.
 * Returns: 0, LB_E_NOTFOUND (board), or what fn returned. Callbacks: fn. Since: 0.1. */
LB_API int lb_player_get_many(lb_client *client, const char *board, const char *const *players,
                              size_t n, const lb_read_options *opts, lb_player_fn fn, void *user,
                              lb_error *reterr);
LB_API int lb_player_get_many_start(lb_client *client, const char *board,
                                    const char *const *players, size_t n,
                                    const lb_read_options *opts, lb_player_fn fn, lb_done_fn done,
                                    void *user, lb_op **ret, lb_error *reterr);

/* Removes a player from a board. Returns: 1, LB_E_NOTFOUND. Since: 0.1. */
LB_API int lb_player_remove(lb_client *client, const char *board, const char *player,
                            const lb_write_options *opts, lb_error *reterr);
LB_API int lb_player_remove_start(lb_client *client, const char *board, const char *player,
                                  const lb_write_options *opts, lb_done_fn done, void *user,
                                  lb_op **ret, lb_error *reterr);

/* The player and its neighbours in board order, `count` rows in all (1..LB_LIMIT_MAX, 0 =
 * LB_LIMIT_DEFAULT): half of the others above it; near an end of the board the window shifts so
 * that it stays full. Rows carry position and rank.
 * Returns: 0, LB_E_NOTFOUND, or what fn returned. Callbacks: fn. Since: 0.1. */
LB_API int lb_player_around(lb_client *client, const char *board, const char *player,
                            uint32_t count, const lb_read_options *opts, lb_player_fn fn,
                            void *user, lb_error *reterr);
LB_API int lb_player_around_start(lb_client *client, const char *board, const char *player,
                                  uint32_t count, const lb_read_options *opts, lb_player_fn fn,
                                  lb_done_fn done, void *user, lb_op **ret, lb_error *reterr);

/* ---- Scores --------------------------------------------------------------------------------- */

/* Adds amount (LB_SCORE_MIN..LB_SCORE_MAX) to a player's score. With LB_WRITE_CREATE a missing
 * player starts at 0. *ret, if asked for, is the new row, borrowed until the next call on the
 * client. Returns: 1, 0 = nothing changed (amount 0), LB_E_NOTFOUND, LB_E_RANGE (the score would
 * leave its range; nothing changed), LB_E_CONFLICT (idempotency key used for something else; board
 * being deleted). Since: 0.1. */
LB_API int lb_score_add(lb_client *client, const char *board, const char *player, int64_t amount,
                        const lb_write_options *opts, const lb_player **ret, lb_error *reterr);
LB_API int lb_score_add_start(lb_client *client, const char *board, const char *player,
                              int64_t amount, const lb_write_options *opts, lb_done_fn done,
                              void *user, lb_op **ret, lb_error *reterr);

/* Sets a player's score; with LB_WRITE_BEST only if it is better than what is there. An equal
 * score changes nothing. Otherwise as lb_score_add(). Since: 0.1. */
LB_API int lb_score_set(lb_client *client, const char *board, const char *player, int64_t score,
                        const lb_write_options *opts, const lb_player **ret, lb_error *reterr);
LB_API int lb_score_set_start(lb_client *client, const char *board, const char *player,
                              int64_t score, const lb_write_options *opts, lb_done_fn done,
                              void *user, lb_op **ret, lb_error *reterr);

/* ---- Leases --------------------------------------------------------------------------------- */

/* Takes a lease, or extends it: of all who share the database one holder at a time has it, for
 * ttl_ms (1..3,600,000) from now unless it extends it before. ttl_ms = 0 gives it up. Such as: the
 * one process that publishes changes. Two may hold it for a moment when clocks are set (SQLite:
 * that of the machine, RethinkDB: those of the servers).
 * lease: as a board id; holder: as a player id, such as a UUID of the process. No idempotency key:
 * after LB_E_UNKNOWN take it again. LB_WRITE_CREATE makes the database if there is none.
 * Returns: 1 = holder has it now, or has given it up; 0 = another one has it. Since: 0.1. */
LB_API int lb_lease_take(lb_client *client, const char *lease, const char *holder, uint32_t ttl_ms,
                         const lb_write_options *opts, lb_error *reterr);
LB_API int lb_lease_take_start(lb_client *client, const char *lease, const char *holder,
                               uint32_t ttl_ms, const lb_write_options *opts, lb_done_fn done,
                               void *user, lb_op **ret, lb_error *reterr);

/* ---- Changes -------------------------------------------------------------------------------- *
 *
 * A subscription starts with RESET, then gives a ROW for every player, READY when everything that
 * was given equals the store, then CHANGEs. CHANGEs may come before READY. After a gap (the
 * subscriber fell behind the change log, an error) it starts again with RESET. GONE says that the
 * board does not exist (any more): it holds no rows; when it is created a RESET follows. It may
 * be the first of all, and may come again.
 *
 * Apply: RESET and GONE: forget the rows. ROW: put the new row. CHANGE: put the new row, or
 * without one remove the old row, held or not. Who does that ends up with the store's rows,
 * always.
 *
 * With top = n whole tops are delivered instead: the first at once, then when the first n rows
 * have changed, at most one per min_interval_ms, an unchanged one never, the last one always.
 */
enum {
    LB_CHANGE_RESET = 1,  /* forget all rows; changes may have been missed */
    LB_CHANGE_ROW = 2,    /* new_row: an existing player */
    LB_CHANGE_READY = 3,  /* what was given equals the store */
    LB_CHANGE_CHANGE = 4, /* new_row: put it; without new_row: remove old_row */
    LB_CHANGE_GONE = 5,   /* the board does not exist (any more) */
    LB_CHANGE_TOP = 6     /* rows: the first n rows, with position and rank */
};

/* Borrowed until the callback returns. */
typedef struct lb_change {
    int type;                     /* LB_CHANGE_... */
    const char *board;            /* NULL in RESET and READY of a subscription to all boards */
    const lb_player *old_row;     /* CHANGE: a former row, NULL if there was none or it is not
                                      known; on a removal at least its id is there */
    const lb_player *new_row;     /* ROW, CHANGE: the row now, or NULL */
    const lb_player *const *rows; /* TOP: n_rows rows in board order */
    size_t n_rows;
    const char *state; /* TOP: id of this state, the same in every process */
} lb_change;

/* Return 0 to go on; any other value ends the subscription as lb_changes_cancel() does. */
typedef int (*lb_change_fn)(const lb_change *change, void *user);

/* Flags of lb_changes_options. */
enum { LB_CHANGES_NO_ROWS = 1 /* no ROWs: RESET then means "you may have missed anything" */ };

typedef struct lb_changes_options {
    size_t struct_size;
    uint32_t flags;           /* LB_CHANGES_... */
    uint32_t top;             /* 1..LB_LIMIT_MAX: deliver tops of so many rows; 0 = rows */
    uint32_t min_interval_ms; /* between two tops; 0 = 100; at most 3,600,000 */
} lb_changes_options;

/* Subscribes to a board (not necessarily existing), or to all boards with board == NULL (not
 * together with top). fn is called inside lb_client_process() only.
 * Owns: *ret is yours until lb_changes_cancel(), until fn returns non-zero, or until the client
 * is freed. ret may be NULL. Returns: 0. Callbacks: never. Since: 0.1. */
LB_API int lb_changes_subscribe(lb_client *client, const char *board,
                                const lb_changes_options *opts, lb_change_fn fn, void *user,
                                lb_changes **ret, lb_error *reterr);

/* Ends a subscription: no call of fn begins after this returns. Legal inside any callback, its
 * own included. NULL does nothing. Returns NULL. Since: 0.1. */
LB_API lb_changes *lb_changes_cancel(lb_changes *changes);

#ifdef __cplusplus
}
#endif

#endif
