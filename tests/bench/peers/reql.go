// The Go driver under the same load as tests/bench/reql_load.c: the same arguments, the same line.
package main

import (
	"fmt"
	"log"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	r "gopkg.in/rethinkdb/rethinkdb-go.v6"
)

const warmUp = 300 * time.Millisecond

type load struct {
	session  *r.Session
	players  int
	rows     int
	stopping atomic.Bool
	done     atomic.Int64
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func (l *load) player(random *rand.Rand) string {
	return fmt.Sprintf("player%d", 10000000+random.Intn(l.players))
}

func (l *load) update(random *rand.Rand) {
	answer, err := r.Table("players").Get([]string{"b", l.player(random)}).Update(
		func(row r.Term) interface{} {
			return map[string]interface{}{"score": row.Field("score").Add(1)}
		}, r.UpdateOpts{Durability: "hard"}).RunWrite(l.session)
	if err != nil {
		log.Fatal(err)
	}
	if answer.Replaced != 1 {
		log.Fatalf("%d rows were changed", answer.Replaced)
	}
}

func (l *load) batch(random *rand.Rand) {
	rows := make([]map[string]interface{}, l.rows)
	for i := range rows {
		id := l.player(random)
		rows[i] = map[string]interface{}{"key": []string{"b", id}, "board": "b", "id": id, "name": id,
			"score": 1, "at": 1000000}
	}
	answer, err := r.Table("players").Insert(rows, r.InsertOpts{
		Conflict: func(id, before, after r.Term) interface{} {
			return before.Merge(map[string]interface{}{
				"score": before.Field("score").Add(after.Field("score")), "at": after.Field("at")})
		},
		Durability: "hard", ReturnChanges: "always"}).RunWrite(l.session)
	if err != nil {
		log.Fatal(err)
	}
	if answer.Replaced+answer.Inserted != l.rows {
		log.Fatalf("%d rows were changed", answer.Replaced+answer.Inserted)
	}
}

func (l *load) top(*rand.Rand) {
	var rows []map[string]interface{}
	cursor, err := r.Table("players").Between([]interface{}{"b", r.MinVal}, []interface{}{"b", r.MaxVal},
		r.BetweenOpts{Index: "rank"}).OrderBy(r.OrderByOpts{Index: "rank"}).Limit(10).Run(l.session)
	if err != nil {
		log.Fatal(err)
	}
	if err = cursor.All(&rows); err != nil {
		log.Fatal(err)
	}
	if len(rows) != 10 {
		log.Fatalf("a top of %d rows", len(rows))
	}
}

func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000
}

func main() {
	if len(os.Args) != 8 {
		log.Fatal("usage: reql PORT DATABASE PLAYERS OPERATION IN_FLIGHT ROWS SECONDS")
	}
	l := &load{players: number(os.Args[3]), rows: number(os.Args[6])}
	inFlight := number(os.Args[5])
	seconds, err := strconv.ParseFloat(os.Args[7], 64)
	if err != nil {
		log.Fatal(err)
	}
	l.session, err = r.Connect(r.ConnectOpts{Address: "127.0.0.1:" + os.Args[1], Database: os.Args[2]})
	if err != nil {
		log.Fatal(err)
	}
	work := map[string]func(*rand.Rand){"update": l.update, "batch": l.batch, "top": l.top}[os.Args[4]]

	var all sync.WaitGroup
	for i := 0; i < inFlight; i++ {
		all.Add(1)
		go func(random *rand.Rand) {
			defer all.Done()
			for !l.stopping.Load() {
				work(random)
				l.done.Add(1)
			}
		}(rand.New(rand.NewSource(int64(i + 1))))
	}
	time.Sleep(warmUp)
	done, used, begun := l.done.Load(), cpu(), time.Now()
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	fmt.Println(l.done.Load()-done, cpu()-used, time.Since(begun).Microseconds())
	l.stopping.Store(true)
	all.Wait()
}
