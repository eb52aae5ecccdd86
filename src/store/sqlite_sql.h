/*
 * Every statement that the SQLite store runs, but for the schema: a name and its text. Each is
 * prepared when a connection first needs it and kept for the life of the connection.
 *
 * The order of a board is (rank_key, reached_us, id), ascending, in both directions: rank_key is
 * the score or the negated score. PLACE compares whole places, which one index serves.
 */
#ifndef LBI_STORE_SQLITE_SQL_H
#define LBI_STORE_SQLITE_SQL_H

#define LBI_PLACE_SQL "(rank_key, reached_us, id)"
#define LBI_ROW_SQL "SELECT id, name, score, reached_us FROM players "
#define LBI_KEY_SQL "SELECT rank_key, reached_us, id FROM players "
#define LBI_ORDER_SQL "ORDER BY rank_key, reached_us, id "

#define LBI_SQL_MAP(X)                                                                             \
    X(BEGIN, "BEGIN")                                                                              \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    /* The change log. */                                                                          \
    X(LAST, "SELECT seq, us FROM changes ORDER BY seq DESC LIMIT 1")                               \
    /* One bound: of two SQLite uses the first and looks at each row for the other. */             \
    X(TRIM, "DELETE FROM changes "                                                                 \
            "WHERE seq <= min(?1, (SELECT min(seq) FROM changes) + ?2 - 1)")                       \
    X(LOG, "SELECT seq, us, board, id, old_name, old_score, old_reached_us FROM changes "          \
           "WHERE seq >= ?1 ORDER BY seq LIMIT ?2")                                                \
    /* Boards. */                                                                                  \
    X(BOARD, "SELECT ascending, deleting, created_us FROM boards WHERE id = ?1")                   \
    X(BOARDS, "SELECT id, ascending, created_us FROM boards "                                      \
              "WHERE id > ?1 AND deleting = 0 ORDER BY id LIMIT ?2 OFFSET ?3")                     \
    X(BOARD_NEW, "INSERT INTO boards(id, ascending, created_us) VALUES(?1, ?2, ?3)")               \
    X(BOARD_MARK, "UPDATE boards SET deleting = 1 WHERE id = ?1")                                  \
    X(BOARD_DROP, "DELETE FROM boards WHERE id = ?1")                                              \
    X(BOARD_PLAYERS_DROP, "DELETE FROM players WHERE board = ?1 AND id IN "                        \
                          "(SELECT id FROM players WHERE board = ?1 ORDER BY id LIMIT ?2)")        \
    X(BOARD_KEYS_DROP,                                                                             \
      "DELETE FROM keys WHERE board = ?1 AND (player, key) IN "                                    \
      "(SELECT player, key FROM keys WHERE board = ?1 ORDER BY player, key LIMIT ?2)")             \
    /* Players. A board that is being deleted has none. */                                         \
    X(PLAYER, "SELECT id, name, score, reached_us, ascending FROM players "                        \
              "WHERE board = ?1 AND id = ?2 "                                                      \
              "AND EXISTS (SELECT 1 FROM boards WHERE id = ?1 AND deleting = 0)")                  \
    X(PLAYERS, LBI_ROW_SQL "WHERE board = ?1 AND id > ?2 ORDER BY id LIMIT ?3")                    \
    X(PLAYER_NEW, "INSERT INTO players(board, id, name, score, reached_us, ascending, rank_key) "  \
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, CASE ?6 WHEN 1 THEN ?4 ELSE -?4 END)")           \
    X(PLAYER_RESTORE,                                                                              \
      "INSERT OR REPLACE INTO players(board, id, name, score, reached_us, ascending, rank_key) "   \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, CASE ?6 WHEN 1 THEN ?4 ELSE -?4 END)")                       \
    X(PLAYER_NAME, "UPDATE players SET name = ?3 WHERE board = ?1 AND id = ?2")                    \
    X(PLAYER_SCORE,                                                                                \
      "UPDATE players SET score = ?3, reached_us = ?4, "                                           \
      "rank_key = CASE ascending WHEN 1 THEN ?3 ELSE -?3 END WHERE board = ?1 AND id = ?2")        \
    X(PLAYER_DROP, "DELETE FROM players WHERE board = ?1 AND id = ?2")                             \
    /* Idempotency keys. */                                                                        \
    X(KEY, "SELECT verb, amount, flags, changed, name, score, reached_us FROM keys "               \
           "WHERE board = ?1 AND player = ?2 AND key = ?3 AND us >= ?4")                           \
    X(KEY_NEW, "INSERT OR REPLACE INTO keys(board, player, key, verb, amount, flags, changed, "    \
               "name, score, reached_us, us) "                                                     \
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                             \
    X(KEYS_EXPIRE, "DELETE FROM keys WHERE (board, player, key) IN "                               \
                   "(SELECT board, player, key FROM keys WHERE us < ?1 ORDER BY us LIMIT ?2)")     \
    /* Leases. One of the far future was taken before the clock was set back. */                   \
    X(LEASE_TAKE, "INSERT INTO leases(name, holder, until_us) VALUES(?1, ?2, ?3) "                 \
                  "ON CONFLICT (name) DO UPDATE SET holder = ?2, until_us = ?3 "                   \
                  "WHERE holder = ?2 OR until_us <= ?4 OR until_us > ?5")                          \
    X(LEASE_DROP, "DELETE FROM leases WHERE name = ?1 AND holder = ?2")                            \
    /* Pages. */                                                                                   \
    X(TOP, LBI_ROW_SQL "WHERE board = ?1 " LBI_ORDER_SQL "LIMIT ?2")                               \
    X(PAGE, LBI_ROW_SQL "WHERE board = ?1 AND " LBI_PLACE_SQL " >= (?2, ?3, ?4) " LBI_ORDER_SQL    \
                        "LIMIT ?5")                                                                \
    X(KEY_AT, LBI_KEY_SQL "WHERE board = ?1 " LBI_ORDER_SQL "LIMIT 1 OFFSET ?2")                   \
    X(KEY_AFTER, LBI_KEY_SQL "WHERE board = ?1 AND " LBI_PLACE_SQL                                 \
                             " > (?2, ?3, ?4) " LBI_ORDER_SQL "LIMIT 1")                           \
    X(KEY_ABOVE, LBI_KEY_SQL "WHERE board = ?1 AND " LBI_PLACE_SQL " < (?2, ?3, ?4) "              \
                             "ORDER BY rank_key DESC, reached_us DESC, id DESC "                   \
                             "LIMIT 1 OFFSET ?5")                                                  \
    X(COUNT_BELOW, "SELECT count(*) FROM (SELECT 1 FROM players "                                  \
                   "WHERE board = ?1 AND " LBI_PLACE_SQL " > (?2, ?3, ?4) LIMIT ?5)")              \
    /* Counting: rows from one place up to, not including, another. */                             \
    X(COUNT, "SELECT count(*) FROM (SELECT 1 FROM players "                                        \
             "WHERE board = ?1 AND " LBI_PLACE_SQL " >= (?2, ?3, ?4) "                             \
             "AND " LBI_PLACE_SQL " < (?5, ?6, ?7) LIMIT ?8)")                                     \
    X(SKIP, LBI_KEY_SQL "WHERE board = ?1 AND " LBI_PLACE_SQL " >= (?2, ?3, ?4) "                  \
                        "AND " LBI_PLACE_SQL " < (?5, ?6, ?7) " LBI_ORDER_SQL "LIMIT 1 OFFSET ?8")

typedef enum lbi_sql {
#define LBI_SQL_ENUM(name, text) LBI_SQL_##name,
    LBI_SQL_MAP(LBI_SQL_ENUM)
#undef LBI_SQL_ENUM
        LBI_SQL_COUNT_OF
} lbi_sql;

#endif
